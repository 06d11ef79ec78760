// The page of exchanges: requests and their answers as they pass through ssectl.
// What comes from them is shown as text only.

import { $, clockTime, copyText, count, duration, hue, isoTime, plural, pretty, size } from "/.ssectl/common.js";

const api = "/.ssectl/exchanges";
const transcriptEvery = 1000; // ms, while the stream goes on

$("url").textContent = location.origin;
$("streams").hidden = document.querySelector("meta[name=ssectl-streams]").content === "";

async function get(path) {
  const response = await fetch(`${api}${path}`);
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

// The list, which our own event stream keeps up to date. It goes on after the last
// change that the page has when the connection was lost.

const exchanges = new Map(); // by number
let gone = 0;
let session;

const source = new EventSource(`${api}/changes`);
source.addEventListener("open", () => setState("live", "open"));
source.addEventListener("error", () => setState(source.readyState === EventSource.CLOSED ? "closed" : "connecting", source.readyState === EventSource.CLOSED ? "closed" : "connecting"));
source.addEventListener("changes", ({ data }) => {
  const changes = JSON.parse(data);
  if (changes.reset && session !== changes.session) {
    for (const exchange of exchanges.values()) exchange.node.remove();
    exchanges.clear();
    if (session !== undefined) select(undefined);
  }
  session = changes.session;
  gone = changes.gone;
  for (const summary of changes.exchanges) take(summary);
  if (changes.kept) {
    const kept = new Set(changes.kept);
    for (const [number, exchange] of exchanges) {
      if (kept.has(number)) continue;
      exchange.node.remove();
      exchanges.delete(number);
    }
  }
  drawCount();
  if (query !== "") searchSoon();
});

function setState(text, state) {
  $("state").textContent = text;
  $("state").dataset.state = state;
}

function take(summary) {
  let exchange = exchanges.get(summary.number);
  if (!exchange) {
    exchange = { node: $("exchange").content.firstElementChild.cloneNode(true), found: undefined };
    exchange.node.firstElementChild.href = `#${summary.number}`;
    exchanges.set(summary.number, exchange);
    const after = [...$("list").children].find((node) => node.number < summary.number);
    $("list").insertBefore(exchange.node, after ?? null);
    exchange.node.number = summary.number;
  }
  exchange.summary = summary;
  drawLine(exchange);
  if (summary.number === chosen?.number) follow(summary);
  else if (summary.number === wanted()) route();
}

function outcome(summary) {
  if (summary.how === undefined) return "open";
  return summary.how === "whole" && summary.status < 400 ? "good" : "bad";
}

function drawLine({ node, summary, found }) {
  const [number, method, path, status, when, what, where] = node.firstElementChild.children;
  node.dataset.outcome = outcome(summary);
  number.textContent = summary.number;
  method.textContent = summary.method;
  path.textContent = pathOf(summary.url);
  path.title = summary.url;
  status.textContent = summary.status ?? (summary.how ? "—" : "…");
  when.textContent = clockTime(Date.parse(summary.time));
  what.textContent = story(summary);
  where.textContent = found ? `${found.where}${found.event >= 0 ? ` ${count(found.event + 1)}` : ""}: ${found.excerpt}` : "";
  node.hidden = query !== "" && matches !== undefined && !found;
}

function pathOf(url) {
  const at = url.indexOf("/", url.indexOf("://") + 3);
  return at < 0 ? url : url.slice(at);
}

function story(summary) {
  const parts = [];
  if (summary.stream || summary.events > 0) parts.push(plural(summary.events, "event"));
  if (summary.first_ms !== undefined) parts.push(`first after ${duration(summary.first_ms)}`);
  if (summary.total_ms !== undefined) parts.push(duration(summary.total_ms));
  if (summary.bytes > 0) parts.push(size(summary.bytes));
  parts.push(summary.ended ?? (summary.status === undefined ? "waiting for an answer" : "open"));
  if (summary.match !== undefined) parts.push(`from ${summary.match}`);
  if (summary.unmatched !== undefined) parts.push("nothing matched");
  if (summary.test !== undefined) parts.push(`test ${summary.test}`);
  return parts.join(", ");
}

function drawCount() {
  $("empty").hidden = exchanges.size > 0;
  const shown = query === "" || matches === undefined ? exchanges.size : matches.size;
  const all = gone > 0 ? `the last ${count(exchanges.size)} of ${plural(gone + exchanges.size, "exchange")}` : plural(exchanges.size, "exchange");
  $("count").textContent = query === "" || matches === undefined ? all : `${count(shown)} of ${all} match`;
}

// The search, over everything that the server keeps.

let query = "";
let matches; // by number, of the query; undefined until they came
let searching = false;
let searchAgain = false;

$("search").addEventListener("input", () => {
  query = $("search").value;
  searchSoon();
});

async function searchSoon() {
  if (searching) {
    searchAgain = true;
    return;
  }
  searching = true;
  do {
    searchAgain = false;
    const asked = query;
    // Without an answer, the state of the stream shows that the server is gone.
    const found = asked === "" ? [] : await get(`/search?text=${encodeURIComponent(asked)}`).catch(() => []);
    if (asked === query) {
      matches = asked === "" ? undefined : new Map(found.map((match) => [match.number, match]));
      for (const exchange of exchanges.values()) {
        exchange.found = matches?.get(exchange.summary.number);
        drawLine(exchange);
      }
      drawCount();
      $("list").dataset.query = asked;
    }
    if (searchAgain) await new Promise((done) => setTimeout(done, 300));
  } while (searchAgain);
  searching = false;
}

// The exchange that is shown in full. Its number is the fragment of the URL.

let chosen; // {number, summary, events, next, ...}

const wanted = () => Number(location.hash.slice(1)) || undefined;

window.addEventListener("hashchange", route);

function route() {
  select(exchanges.get(wanted()));
}

function select(exchange) {
  for (const other of exchanges.values()) other.node.firstElementChild.setAttribute("aria-current", other === exchange);
  $("detail").hidden = exchange === undefined;
  document.body.classList.toggle("one", exchange !== undefined);
  if (exchange === undefined) {
    chosen = undefined;
    return;
  }
  const { number } = exchange.summary;
  chosen = { number, events: [], next: 0, fetching: false, version: "" };
  $("events").replaceChildren();
  for (const panel of ["transcript", "request", "answer", "changed"]) $(`${panel}-panel`).replaceChildren();
  for (const link of document.querySelectorAll("#exports a")) link.href = `${api}/${number}/as/${link.dataset.form}`;
  showTab(exchange.summary.stream || exchange.summary.how === undefined ? "events" : "answer");
  follow(exchange.summary);
}

// follow brings the exchange up to date with its summary.
function follow(summary) {
  chosen.summary = summary;
  $("title").textContent = `${summary.method} ${summary.url}`;
  $("outcome").textContent = [summary.status, story(summary)].filter((part) => part !== undefined).join(": ");
  $("outcome").dataset.outcome = $("waterfall").dataset.outcome = outcome(summary);
  const version = `${summary.status} ${summary.how} ${summary.stream ? "" : summary.bytes}`;
  if (version !== chosen.version) {
    chosen.version = version;
    fetchDetail(chosen);
  }
  fetchEvents(chosen);
  transcriptSoon();
  drawWaterfall();
}

async function fetchDetail(exchange) {
  let detail;
  try {
    detail = await get(`/${exchange.number}`);
  } catch {
    exchange.version = ""; // again with the next change
    return;
  }
  if (exchange !== chosen) return;
  exchange.detail = detail;
  drawDetail(detail);
}

async function fetchEvents(exchange) {
  if (exchange.fetching) return;
  exchange.fetching = true;
  while (exchange === chosen && exchange.next < exchange.summary.records) {
    let piece;
    try {
      piece = await get(`/${exchange.number}/events?from=${exchange.next}`);
    } catch {
      break; // again with the next change
    }
    const { first, events } = piece;
    if (exchange !== chosen || events.length === 0) break;
    events.forEach((event, i) => (event.number = first + i));
    exchange.next = first + events.length;
    addEvents(events);
  }
  exchange.fetching = false;
}

// Events, in lists of fifty as on the page of a stream.

let filter = "";
const list = $("events");

function addEvents(events) {
  const following = list.scrollHeight - list.scrollTop - list.clientHeight < 30;
  let before = chosen.events.at(-1);
  for (const event of events) {
    event.gap = before ? event.ms - before.ms : NaN;
    before = event;
    chosen.events.push(event);
  }
  const { dropped = 0 } = chosen.summary;
  const from = chosen.events.findIndex((event) => event.number >= dropped);
  for (const event of chosen.events.splice(0, Math.max(0, from))) event.node?.remove();
  while (list.firstChild && !list.firstChild.hasChildNodes()) list.firstChild.remove();
  append(events.filter((event) => event.number >= dropped && passes(event)));
  if (following) list.scrollTop = list.scrollHeight;
  drawEventCount();
  drawWaterfall();
}

function append(events) {
  for (const event of events) {
    let last = list.lastChild;
    if (!last || last.childElementCount >= 50) last = list.appendChild(document.createElement("ol"));
    last.append((event.node ??= build(event)));
  }
}

function passes(event) {
  return filter === "" || `${event.type ?? ""}\n${event.id ?? ""}\n${textOf(event)}`.toLowerCase().includes(filter);
}

const textOf = (event) => event.data ?? event.comment ?? event.raw ?? "";

function build(event) {
  const node = $("row").content.firstElementChild.cloneNode(true);
  const [time, gap, type, id, data] = node.querySelector("summary").children;
  node.event = event;
  time.textContent = duration(event.ms);
  if (event.gap >= 0) {
    gap.textContent = duration(event.gap);
    gap.style.setProperty("--gap", Math.min(1, Math.log10(1 + event.gap) / 4.5));
  }
  type.textContent = type.title = kindOf(event);
  type.classList.toggle("message", event.type === undefined || event.type === "message");
  type.style.setProperty("--hue", hue(event.type ?? ""));
  id.textContent = event.id ?? "";
  data.textContent = event.retry !== undefined && event.data === undefined ? `retry: ${event.retry}` : textOf(event).slice(0, 400).replaceAll("\n", "↵");
  widen("--type-width", kindOf(event).length, 28);
  widen("--id-width", event.id?.length ?? 0, 14);
  return node;
}

function kindOf(event) {
  if (event.type !== undefined) return event.type;
  if (event.incomplete) return "(unfinished)";
  return event.comment !== undefined ? "(comment)" : "(no event)";
}

const widths = {};

function widen(column, characters, most) {
  const width = Math.min(characters, most);
  if (width <= (widths[column] ?? 7)) return;
  widths[column] = width;
  list.parentElement.style.setProperty(column, `${width}ch`);
}

list.addEventListener("toggle", ({ target: details }) => {
  const { event } = details.parentElement;
  const [, about, text] = details.children;
  if (!details.open) return text.replaceChildren();
  const at = Date.parse(chosen.summary.time) + event.ms;
  about.textContent = `record ${count(event.number + 1)}, ${isoTime(at)}, ${plural(textOf(event).length, "character")}`;
  text.replaceChildren(...pretty(textOf(event)));
}, true);

$("filter").addEventListener("input", () => {
  filter = $("filter").value.toLowerCase();
  list.replaceChildren();
  if (chosen) append(chosen.events.filter(passes));
  drawEventCount();
});

function drawEventCount() {
  if (!chosen) return;
  const { records, dropped = 0 } = chosen.summary;
  const parts = [dropped > 0 ? `the last ${count(records - dropped)} of ${plural(records, "record")}` : plural(records, "record")];
  if (filter !== "") parts.push(`${count(list.querySelectorAll("li").length)} match`);
  if (chosen.detail?.cut > 0) parts.push(`${plural(chosen.detail.cut, "event")} too large, kept in part`);
  $("events-count").textContent = parts.join("; ");
}

// The waterfall: the wait for the headers, that for the first event, and a line for
// each arrival. A mark at the right shows how it ended.

function drawWaterfall() {
  const { summary, events } = chosen;
  const last = events.at(-1)?.ms ?? 0;
  const total = Math.max(summary.total_ms ?? 0, last, summary.first_ms ?? 0, summary.headers_ms ?? 0, 1);
  const [wait, quiet, span, ticks, end] = $("waterfall").querySelector("svg").children;
  const x = (ms) => (ms / total) * 990 + 5;
  const bar = (rect, from, to) => {
    rect.setAttribute("x", x(from).toFixed(1));
    rect.setAttribute("width", Math.max(0, x(to) - x(from)).toFixed(1));
  };
  const headers = summary.headers_ms ?? (summary.how ? total : last);
  const first = summary.first_ms ?? (summary.stream ? total : headers);
  bar(wait, 0, headers);
  bar(quiet, headers, first);
  bar(span, first, summary.total_ms ?? last);
  ticks.setAttribute("d", events.filter((event) => event.type !== undefined).map((event) => `M${x(event.ms).toFixed(1)} 8v24`).join(""));
  end.setAttribute("d", summary.total_ms === undefined ? "" : `M${x(summary.total_ms).toFixed(1)} 3v34`);
  const [left, right] = $("waterfall").querySelector("figcaption").children;
  const marks = [];
  if (summary.headers_ms !== undefined) marks.push(`headers after ${duration(summary.headers_ms)}`);
  if (summary.first_ms !== undefined) marks.push(`first event after ${duration(summary.first_ms)}`);
  left.textContent = marks.join(", ");
  right.textContent = duration(total);
  $("waterfall").querySelector("svg").setAttribute("aria-label", `Arrivals of ${plural(summary.events, "event")} in ${duration(total)}`);
}

// Request, answer, and what changed since the request before.

function element(name, text, ...children) {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  node.append(...children);
  return node;
}

function body(title, body) {
  if (!body) return [];
  const part = body.whole || body.size === body.text.length ? size(body.size) : `${size(body.size)}, of which the beginning is kept`;
  const pre = document.createElement("pre");
  pre.append(...(body.text === "" && body.size > 0 ? ["not text"] : pretty(body.text)));
  return [element("h3", `${title}, ${part}`), pre];
}

function headers(title, lines) {
  const dl = document.createElement("dl");
  for (const [name, value] of lines) dl.append(element("dt", name), element("dd", value));
  return lines.length === 0 ? [] : [element("h3", title), dl];
}

// unmatched shows why nothing matched a request: what differs least, and where.
function unmatched({ unmatched: why, nearest, differs = [] }) {
  if (why === undefined) return [];
  if (nearest === undefined) return [element("p", why)];
  return [element("p", `Nothing matches. The nearest is ${nearest}, and the request is not as there:`), ...differs.map(({ part, path, request, recording }) => {
    const node = element("div", undefined, element("strong", path === undefined ? part : `${part} ${path}`), element("del", recording), element("ins", request));
    node.className = "difference";
    return node;
  })];
}

function drawDetail(detail) {
  $("request-panel").replaceChildren(
    ...unmatched(detail),
    ...body("Body", detail.request_body),
    ...headers("Headers", detail.request_header),
    ...(detail.remote ? [element("p", `from ${detail.remote}, for the host ${detail.host}`)] : []),
  );
  $("answer-panel").replaceChildren(
    ...(detail.status === undefined ? [element("p", detail.ended ?? "No answer yet.")] : [element("p", [detail.proto, detail.status].filter((part) => part !== undefined).join(" "))]),
    ...(detail.unseen ? [element("p", `Not all of it could be seen: ${detail.unseen}`)] : []),
    ...body("Body", detail.response_body),
    ...headers("Headers", detail.response_header),
    ...headers("Trailer", detail.trailer ?? []),
  );
  drawChanged(detail);
  drawEventCount();
}

function drawChanged({ before, differences = [] }) {
  const panel = $("changed-panel");
  if (before === undefined) {
    panel.replaceChildren(element("p", "There is no request before this one with its method and path."));
    return;
  }
  const link = element("a", `request ${before}`);
  link.href = `#${before}`;
  if (differences.length === 0) {
    panel.replaceChildren(element("p", undefined, "The same body as ", link, "."));
    return;
  }
  panel.replaceChildren(element("p", undefined, "The body, beside that of ", link, ":"), ...differences.map(({ path, old, new: now }) => {
    const node = element("div", undefined, element("strong", path));
    node.className = "difference";
    if (old !== undefined) node.append(element("del", old));
    if (now !== undefined) node.append(element("ins", now));
    return node;
  }));
}

// The transcript, which the server puts together.

let transcriptTimer;

function transcriptSoon() {
  if (tab !== "transcript" || !chosen || transcriptTimer) return;
  const exchange = chosen;
  const wait = exchange.transcribed === undefined ? 0 : Math.max(0, exchange.transcribed + transcriptEvery - performance.now());
  transcriptTimer = setTimeout(async () => {
    exchange.transcribed = performance.now();
    const { records, how } = exchange.summary;
    const transcript = await get(`/${exchange.number}/text`).catch(() => undefined); // again with the next change
    transcriptTimer = undefined;
    if (transcript && exchange === chosen) drawTranscript(transcript);
    if (exchange !== chosen || records !== exchange.summary.records || how !== exchange.summary.how) transcriptSoon();
  }, wait);
}

const kinds = { text: "Text", thinking: "Thinking", tool: "Tool call" };

function drawTranscript({ service, parts }) {
  const panel = $("transcript-panel");
  if (parts.length === 0) {
    panel.replaceChildren(element("p", service ? `A stream of ${service}, with no text so far.` : "This is the stream of no service that ssectl knows."));
    return;
  }
  panel.replaceChildren(element("p", `As ${service} streams are read.`), ...parts.map(({ kind, name, text }) => {
    const pre = document.createElement("pre");
    pre.append(...(kind === "tool" ? pretty(text) : [text]));
    const node = element("div", undefined, element("h3", name ? `${kinds[kind] ?? kind}: ${name}` : kinds[kind] ?? kind), pre);
    node.className = `part ${Object.hasOwn(kinds, kind) ? kind : ""}`;
    return node;
  }));
}

// Tabs and buttons.

let tab = "events";
const tabs = [...document.querySelectorAll("[role=tab]")];

function showTab(name) {
  tab = name;
  for (const button of tabs) {
    const mine = button.id === `tab-${name}`;
    button.setAttribute("aria-selected", mine);
    button.tabIndex = mine ? 0 : -1;
    $(button.getAttribute("aria-controls")).hidden = !mine;
  }
  if (name === "events") list.scrollTop = list.scrollHeight;
  if (name === "transcript" && chosen) {
    chosen.transcribed = undefined;
    transcriptSoon();
  }
}

for (const button of tabs) button.addEventListener("click", () => showTab(button.id.slice("tab-".length)));

for (const command of ["curl", "listen"]) {
  const button = $(command);
  const name = button.textContent;
  button.addEventListener("click", async () => {
    const detail = chosen.detail ?? (await get(`/${chosen.number}`));
    await copyText(detail[command]);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = name), 1500);
  });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const { target, key } = event;
  if (target.matches("input")) {
    if (key !== "Escape") return;
    target.value = "";
    target.dispatchEvent(new Event("input"));
    target.blur();
  } else if (key === "/") {
    $("search").focus();
  } else if (key === "Escape" && chosen) {
    const { node } = exchanges.get(chosen.number) ?? {};
    location.hash = "";
    node?.firstElementChild.focus();
  } else if ((key === "ArrowLeft" || key === "ArrowRight") && target.matches("[role=tab]")) {
    const next = tabs[(tabs.indexOf(target) + (key === "ArrowRight" ? 1 : tabs.length - 1)) % tabs.length];
    showTab(next.id.slice("tab-".length));
    next.focus();
  } else if ((key === "ArrowDown" || key === "ArrowUp") && target.matches("summary, #list a")) {
    const all = [...document.querySelectorAll(target.matches("summary") ? "#events summary" : "#list li:not([hidden]) a")];
    all[all.indexOf(target) + (key === "ArrowDown" ? 1 : -1)]?.focus();
  } else {
    return;
  }
  event.preventDefault();
});
