// What the pages of ssectl have in common. Text of a stream stays text: nothing here
// makes markup of it.

const maxShown = 100_000; // characters of one text, once unfolded

export const $ = (id) => document.getElementById(id);

// pretty returns JSON as indented, marked text, and everything else as it is.
// It moves the tokens apart and changes none, so 1e400 and 1.0 stay.
export function pretty(text) {
  if (text.length > maxShown) {
    return [text.slice(0, maxShown), `\n… and ${count(text.length - maxShown)} more characters; the copy has them`];
  }
  try {
    JSON.parse(text);
  } catch {
    return [text];
  }
  const tokens = text.match(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:,]|[^\s{}[\]:,"]+/g);
  const parts = [];
  let indent = "\n";
  tokens.forEach((token, i) => {
    const closes = (bracket) => bracket === "}" || bracket === "]";
    if (token === "{" || token === "[") {
      indent += "  ";
      parts.push(token, closes(tokens[i + 1]) ? "" : indent);
    } else if (closes(token)) {
      indent = indent.slice(0, -2);
      parts.push(tokens[i - 1] === "{" || tokens[i - 1] === "[" ? "" : indent, token);
    } else if (token === ",") {
      parts.push(token, indent);
    } else if (token === ":") {
      parts.push(": ");
    } else {
      const mark = document.createElement("span");
      mark.className = tokens[i + 1] === ":" ? "key" : token[0] === '"' ? "string" : "literal";
      mark.textContent = token;
      parts.push(mark);
    }
  });
  return parts;
}

export function facts(dl, values) {
  dl.replaceChildren(...Object.entries(values).flatMap(([name, value]) => {
    const dt = document.createElement("dt");
    const dd = document.createElement("dd");
    dt.textContent = name;
    dd.textContent = dd.title = value;
    return [dt, dd];
  }));
}

export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without TLS, browsers offer the clipboard to pages of this machine only.
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

// How numbers and times read.

export function count(n) {
  return n.toLocaleString("en");
}

export function plural(n, noun) {
  return `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
}

export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const unit = Math.min(4, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** unit).toFixed(unit > 0 ? 1 : 0)} ${units[unit]}`;
}

export function duration(ms) {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_995) return `${(ms / 1000).toFixed(2)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} m ${Math.floor(ms / 1000) % 60} s`;
  return `${count(Math.floor(minutes / 60))} h ${minutes % 60} m`;
}

export function clockTime(ms) {
  const date = new Date(ms);
  const two = (n) => String(n).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

export function isoTime(ms) {
  const micros = String(Math.floor(ms * 1000) % 1000).padStart(3, "0");
  return new Date(ms).toISOString().replace("Z", micros + "Z");
}

// hue gives a type the same color in every run.
export function hue(text) {
  let hash = 0;
  for (const c of text) hash = (hash * 31 + c.codePointAt(0)) % 360;
  return hash;
}
