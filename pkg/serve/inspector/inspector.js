// The inspector page of ssectl serve: one event stream as the browser's own
// EventSource sees it, or a WebSocket. What comes from the stream is shown as text only.

import { $, clockTime, copyText, count, duration, facts, hue, isoTime, plural, pretty, size } from "/.ssectl/common.js";

const maxRows = 2000;
const maxCharacters = 32 << 20; // of data, over all rows
const pollEvery = 2000; // ms
const pollSoon = 500; // for a while after the start, and after a new type

const list = $("events");

// The stream. The token lets the server know this page's connection, so that
// the drop button cuts the right one.

const token = Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");
const streamURL = new URL(document.querySelector("meta[name=ssectl-stream]").content, location.href);
$("url").textContent = streamURL;

// EventSource hands over only the types that it has a listener for. An event of
// the stream may be called "open" or "error", too: it is a MessageEvent then.
const types = new Set(["message", "open", "error"]);

// With ?client=websocket the page uses a WebSocket in place of an EventSource. Its
// messages are JSON lines of events, which have types and IDs.
const clients = ["EventSource", "WebSocket"];
if (new URLSearchParams(location.search).get("client") === "websocket") clients.reverse();
const [clientName, otherClient] = clients;
$("switch").textContent = `Use ${otherClient}`;
$("switch").href = `?client=${otherClient.toLowerCase()}`;

const reconnectAfter = 3000; // ms, as EventSource waits

// A SocketSource is a WebSocket with the interface of an EventSource, as far as the
// page uses it. It connects again, but not after an orderly end: no status of a
// handshake reaches a page, so nothing else could end it.
class SocketSource extends EventTarget {
  readyState = EventSource.CONNECTING;
  why = ""; // it ended

  constructor(url, lastEventId) {
    super();
    this.url = url;
    this.lastEventId = lastEventId;
    this.open();
  }

  open() {
    const url = new URL(this.url);
    url.searchParams.set("format", "jsonl");
    url.searchParams.set("last_event_id", this.lastEventId ?? "");
    this.socket = new WebSocket(url);
    this.socket.onopen = () => this.become(EventSource.OPEN, "open");
    this.socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    this.socket.onclose = ({ code }) => {
      this.why = code === 1006 ? "no close frame" : `close code ${code}`;
      if (code === 1000) return this.become(EventSource.CLOSED, "error");
      this.become(EventSource.CONNECTING, "error");
      this.timer = setTimeout(() => this.open(), reconnectAfter);
    };
  }

  become(state, type) {
    this.readyState = state;
    this.dispatchEvent(new Event(type));
  }

  hear(event) {
    this.lastEventId = event.id ?? this.lastEventId;
    const init = { data: event.data, lastEventId: this.lastEventId ?? "" };
    this.onevent(new MessageEvent(event.event, init));
  }

  close() {
    this.readyState = EventSource.CLOSED;
    clearTimeout(this.timer);
    this.socket.onclose = null;
    this.socket.close();
  }
}

let source;
let lastEventId = "";
let reconnects = 0;
let lostAt; // when the connection was lost, until it is open again

function connect(after, why = "") {
  const url = new URL(streamURL);
  url.searchParams.set("ssectl_client", token);
  if (after) url.searchParams.set("last_event_id", after);
  lastEventId = after ?? "";
  lostAt = undefined;
  if (clientName === "WebSocket") {
    source = new SocketSource(url, after);
    source.onevent = take; // of any type
    for (const type of ["open", "error"]) source.addEventListener(type, hear);
  } else {
    source = new EventSource(url);
    for (const type of types) source.addEventListener(type, hear);
  }
  changeState(why);
}

function hear(event) {
  if (event instanceof MessageEvent) take(event);
  else if (event.type === "open") opened();
  else lost();
}

function opened() {
  if (!lostAt) return changeState("");
  reconnects++;
  const sent = lastEventId === "" ? "no Last-Event-ID" : `Last-Event-ID: ${lastEventId}`;
  note = `reconnected after ${duration(Date.now() - lostAt)}, ${sent}`;
  lostAt = undefined;
  changeState(note);
}

function lost() {
  lostAt ??= Date.now();
  if (source.why && source.readyState === EventSource.CLOSED) {
    changeState(`the server ended the stream, ${source.why}; reload to connect again`);
  } else if (source.readyState === EventSource.CLOSED) {
    changeState("the server ended the stream (204) or sent none; reload to connect again");
  } else {
    changeState(`lost after ${plural(received, "event")}${source.why ? `, ${source.why}` : ""}`);
  }
}

// The rows, oldest first. While the page is paused, frozen has those on show.

const rows = [];
let characters = 0;
let received = 0;
let frozen;
let receivedAtPause = 0;
let lastAt; // when the newest event came
let note = ""; // what happened to the connection before the next event

function take(event) {
  const at = performance.timeOrigin + event.timeStamp;
  const row = {
    type: event.type,
    data: event.data,
    at,
    lastEventId: event.lastEventId,
    // The browser tells the last event ID in force, not the event's own one,
    // so an ID that repeats the one before it goes unseen.
    id: event.lastEventId === lastEventId ? undefined : event.lastEventId,
  };
  lastEventId = event.lastEventId;
  if (catchingUp && fillIn(row)) return;
  row.gap = at - lastAt; // NaN for the first
  row.note = note;
  row.number = ++received;
  note = "";
  lastAt = at;
  rows.push(row);
  characters += row.data.length;
  trim();
  schedule();
}

function trim() {
  while (rows.length > maxRows || (characters > maxCharacters && rows.length > 1)) {
    const row = rows.shift();
    row.gone = true;
    characters -= row.data.length;
    if (catchingUp) catchingUp.next = Math.max(0, catchingUp.next - 1);
  }
}

// When live input brings a type that is new, its first events have passed
// unheard. The page then opens the stream anew from its oldest row, finds the
// rows that it has, and fills in those between them.

let catchingUp; // {fresh: the new types, next: index of the row awaited}

function catchUp(fresh) {
  const trimmed = received > rows.length;
  if (trimmed && !rows[0].lastEventId) return; // no way to say from where
  source.close();
  if (catchingUp) fresh.push(...catchingUp.fresh);
  catchingUp = rows.length > 0 ? { fresh: new Set(fresh), next: trimmed ? 1 : 0 } : undefined;
  connect(trimmed ? rows[0].lastEventId : undefined, `opened again to hear ${fresh.join(", ").slice(0, 200)}`);
}

// fillIn reports whether the row needs no place at the end.
function fillIn(row) {
  const { fresh, next } = catchingUp;
  if (next >= rows.length) {
    catchingUp = undefined;
    return false;
  }
  if (fresh.has(row.type)) {
    row.late = true;
    row.at = rows[next].at;
    row.number = ++received;
    rows.splice(next, 0, row);
    characters += row.data.length;
    catchingUp.next++;
    trim();
    redraw();
    return true;
  }
  const same = (old) => old.type === row.type && old.data === row.data && old.lastEventId === row.lastEventId;
  const found = rows.findIndex((old, i) => i >= next && same(old));
  if (found < 0) {
    catchingUp = undefined; // it is beyond what the page had
    return false;
  }
  rows[found].id = row.id;
  catchingUp.next = found + 1;
  return true;
}

// Drawing happens once per frame, however many events came.

let scheduled = false;
let drawAll = false; // draw every row, not only the new ones
let drawn = 0; // number of the newest row drawn
let following = true; // the list is scrolled to its end
let query = "";

function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(draw);
}

function redraw() {
  drawAll = true;
  schedule();
}

const shown = () => (frozen ?? rows).filter(matches);

function matches(row) {
  return query === "" || `${row.type}\n${row.id ?? ""}\n${row.data}`.toLowerCase().includes(query);
}

function draw() {
  scheduled = false;
  if (drawAll) {
    list.replaceChildren();
    append(shown());
  } else if (!frozen) {
    append(rows.slice(rows.findLastIndex((row) => row.number <= drawn) + 1).filter(matches));
    while (list.firstChild?.firstChild.row.gone) {
      list.firstChild.firstChild.remove();
      if (!list.firstChild.hasChildNodes()) list.firstChild.remove();
    }
  }
  if (!frozen) drawn = received;
  drawAll = false;
  if (following) list.scrollTop = list.scrollHeight;

  $("empty").hidden = received > 0;
  $("count").textContent = countLine();
  const held = received - receivedAtPause;
  $("pause").textContent = frozen ? (held > 0 ? `Resume, ${count(held)} held back` : "Resume") : "Pause";
  facts($("connection"), {
    client: clientName,
    readyState: `${source.readyState} ${stateName().toUpperCase()}`,
    reconnects: count(reconnects),
    "last event ID": lastEventId || "none",
  });
  drawClock();
}

// append puts the rows into lists of fifty, of which the browser lays out only
// those in sight; with one long list, a thousand events a second would stutter.
function append(rows) {
  for (const row of rows) {
    let last = list.lastChild;
    if (!last || last.childElementCount === 50) last = list.appendChild(document.createElement("ol"));
    last.append(nodeOf(row));
  }
}

function countLine() {
  const total = plural(received, "event");
  const kept = (frozen ?? rows).length;
  if (query !== "") return `${count(list.querySelectorAll("li").length)} of ${count(kept)} match`;
  return received > kept && !frozen ? `last ${count(kept)} of ${total}` : total;
}

function nodeOf(row) {
  return (row.node ??= build(row));
}

function build(row) {
  const node = $("row").content.firstElementChild.cloneNode(true);
  const [note, details] = node.children;
  const [time, gap, type, id, data] = details.firstElementChild.children;
  node.row = row;
  note.textContent = row.note ?? "";
  time.textContent = clockTime(row.at);
  if (row.gap >= 0) {
    gap.textContent = duration(row.gap);
    // A logarithmic scale, 30 s being full: so a pause shows among milliseconds.
    gap.style.setProperty("--gap", Math.min(1, Math.log10(1 + row.gap) / 4.5));
  } else if (row.late) {
    gap.textContent = "late";
    gap.title = "filled in: the page did not know this type yet";
  }
  type.textContent = type.title = row.type;
  type.classList.toggle("message", row.type === "message");
  type.style.setProperty("--hue", hue(row.type));
  id.textContent = row.id ?? "";
  data.textContent = row.data.slice(0, 400).replaceAll("\n", "↵");
  widen("--type-width", row.type.length, 28);
  widen("--id-width", row.id?.length ?? 0, 14);
  return node;
}

const widths = {};

function widen(column, characters, most) {
  const width = Math.min(characters, most);
  if (width <= (widths[column] ?? 7)) return;
  widths[column] = width;
  list.parentElement.style.setProperty(column, `${width}ch`);
}

list.addEventListener("scroll", () => {
  following = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
});

// toggle does not bubble, but it can be captured.
list.addEventListener("toggle", ({ target: details }) => {
  const { row } = details.parentElement;
  const [, facts, text] = details.children;
  if (!details.open) return text.replaceChildren();
  facts.textContent = `${isoTime(row.at)}, ${plural(row.data.length, "character")}, last event ID ${JSON.stringify(row.lastEventId)}`;
  text.replaceChildren(...pretty(row.data));
}, true);

// A stream whose newest event is a time is a clock, and looks like one.

function drawClock() {
  const newest = rows.at(-1);
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(newest?.data ?? "");
  const ahead = match ? Date.parse(newest.data) - newest.at : NaN;
  $("clock").hidden = isNaN(ahead);
  if (isNaN(ahead)) return;
  const [, date, time, zone] = match;
  const [, clock, text] = $("clock").children;
  clock.dateTime = newest.data;
  clock.textContent = time;
  text.textContent = `${date} ${zone === "Z" ? "UTC" : zone}, ${duration(Math.abs(ahead))} ${ahead > 0 ? "ahead of" : "behind"} this browser`;
}

// The connection's state and the log of its changes.

const stateName = () => ["connecting", "open", "closed"][source.readyState];

function changeState(text) {
  const state = stateName();
  const newest = $("log").firstChild;
  if (newest?.dataset.state === state && newest.lastChild.textContent === text) return; // one more try in vain
  $("state").textContent = state;
  $("state").dataset.state = state;
  $("drop").disabled = state !== "open";

  const entry = document.createElement("li");
  const time = document.createElement("time");
  const name = document.createElement("strong");
  const more = document.createElement("span");
  time.textContent = clockTime(Date.now());
  name.textContent = state;
  more.textContent = text;
  entry.dataset.state = state;
  entry.append(time, name, more);
  $("log").prepend(entry);
  if ($("log").childElementCount > 50) $("log").lastChild.remove();
  schedule();
}

// Controls.

$("filter").addEventListener("input", () => {
  query = $("filter").value.toLowerCase();
  following = true;
  redraw();
});

$("pause").addEventListener("click", () => {
  frozen = frozen ? undefined : rows.slice();
  receivedAtPause = received;
  $("pause").classList.toggle("on", frozen !== undefined);
  redraw();
});

$("drop").addEventListener("click", () => {
  fetch("/.ssectl/drop", { method: "POST", body: new URLSearchParams({ client: token }) });
});

$("copy").addEventListener("click", async () => {
  const copied = shown();
  await copyText(copied.map(jsonLine).join(""));
  $("copy").textContent = `Copied ${plural(copied.length, "event")}`;
  setTimeout(() => ($("copy").textContent = "Copy JSON lines"), 1500);
});

function jsonLine({ type, id, data, at }) {
  return JSON.stringify({ event: type, id, data, time: isoTime(at) }) + "\n";
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { target, key } = event;
  if (target === $("filter")) {
    if (key !== "Escape") return;
    target.value = "";
    target.dispatchEvent(new Event("input"));
    target.blur();
  } else if (key === "/") {
    $("filter").focus();
  } else if (key === " " && !target.matches("button, summary")) {
    $("pause").click();
  } else if ((key === "ArrowDown" || key === "ArrowUp") && target.matches("summary")) {
    const all = [...list.querySelectorAll("summary")];
    all[all.indexOf(target) + (key === "ArrowDown" ? 1 : -1)]?.focus();
  } else {
    return;
  }
  event.preventDefault();
});

// The server's own numbers, and the types to listen for.

async function poll() {
  try {
    const response = await fetch(`/.ssectl/stats?client=${token}`, { signal: AbortSignal.timeout(5000) });
    const stats = await response.json();
    drawStats(stats);
    learn(stats.types ?? []);
  } catch {
    // No answer; the state of the stream says what there is to say.
  }
  setTimeout(poll, performance.now() - learned < 10_000 ? pollSoon : pollEvery);
}

let learned = 0; // when a new type was last heard of

function learn(names) {
  const fresh = names.filter((name) => !types.has(name));
  if (fresh.length === 0) return;
  for (const name of fresh) types.add(name);
  learned = performance.now();
  if (source instanceof EventSource) catchUp(fresh);
}

function drawStats(stats) {
  facts($("server"), {
    up: duration(stats.uptime_ms),
    clients: count(stats.client_count ?? stats.clients.length),
    "events sent": count(stats.events),
    "bytes sent": size(stats.bytes),
    resumes: count(stats.resumes),
  });
  $("clients").hidden = stats.clients.length === 0;
  $("clients").tBodies[0].replaceChildren(...stats.clients.slice(0, 20).map((client) => {
    const line = document.createElement("tr");
    const me = client.token === token;
    line.classList.toggle("me", me);
    const name = me ? "this page" : client.remote;
    for (const text of [client.websocket ? `${name}, WebSocket` : name, count(client.events), count(client.lag)]) {
      line.insertCell().textContent = text;
    }
    return line;
  }));
}

await poll();
connect();
