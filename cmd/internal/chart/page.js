
"use strict";
// Adds a cursor, zoom and keys to the figures, which are complete without them.

const WIDE = 10000;

function svg(name, className) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  node.setAttribute("class", className);
  return node;
}

// round returns a number as short as the page itself writes it.
const round = (value) => String(Math.round(value * 1000) / 1000);

// ticks returns round times between two, eight or so.
function ticks(from, to) {
  const least = (to - from) / 8;
  const unit = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((m) => m * unit).find((s) => s >= least) ?? 10 * unit;
  const list = [];
  for (let i = Math.ceil(from / step); i * step <= to + step * 1e-9; i++) list.push(i * step);
  return list;
}

class Figure {
  constructor(figure) {
    this.data = JSON.parse(figure.querySelector("script").textContent);
    this.box = figure.querySelector(".rows");
    this.axes = figure.querySelectorAll("svg.axis");
    this.readout = figure.querySelector(".readout");
    this.rows = [...figure.querySelectorAll(".row")].map((node, i) => {
      const plot = node.querySelector("svg");
      const cut = plot.appendChild(svg("rect", "cut"));
      cut.setAttribute("height", 1000);
      return {
        node, plot, cut, ...this.data.rows[i],
        cursor: plot.appendChild(svg("path", "cursor")), grid: plot.querySelector(".grid"),
        now: node.querySelector(".now"), note: node.querySelector(".note"),
      };
    });
    this.from = this.data.from;
    this.to = this.data.to;
    this.row = Math.max(0, this.rows.findIndex((r) => r.x.length > 0));
    this.stop = -1; // of the row; none yet
    figure.classList.add("live");
    figure.querySelector(".tools").hidden = false;
    for (const button of figure.querySelectorAll("button")) {
      button.addEventListener("click", () => this.zoom(button.dataset.do));
    }
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("focus", () => this.stop < 0 && this.box.matches(":focus-visible") && this.go(this.row, 0));
    this.rows.forEach((row, i) => this.point(row, i));
  }

  // point lets the mouse or a finger move the cursor, and choose a part to zoom in.
  point(row, i) {
    const { plot } = row;
    let start = null;
    const at = (event) => {
      const box = plot.getBoundingClientRect();
      return this.from + Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * (this.to - this.from);
    };
    plot.addEventListener("pointermove", (event) => {
      if (start !== null && this.data.zooms) this.cut(start.at, at(event));
      const n = this.nearest(row, at(event));
      if (n >= 0) this.show(i, n);
    });
    plot.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return;
      start = { at: at(event), x: event.clientX };
      plot.setPointerCapture(event.pointerId);
    });
    const end = (event) => {
      if (start === null) return;
      const [a, b] = [start.at, at(event)];
      const moved = Math.abs(event.clientX - start.x) > 8;
      start = null;
      this.cut(0, 0);
      if (moved && this.data.zooms) this.view(Math.min(a, b), Math.max(a, b));
    };
    plot.addEventListener("pointerup", end);
    plot.addEventListener("pointercancel", () => { start = null; this.cut(0, 0); });
    plot.addEventListener("dblclick", () => this.zoom("all"));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const row = this.rows[this.row];
    const jump = event.shiftKey ? 10 : 1;
    const other = (step) => {
      let next = this.row + step;
      while (this.rows[next] && this.rows[next].x.length === 0) next += step;
      if (!this.rows[next]) return;
      const near = this.stop < 0 ? 0 : this.nearest(this.rows[next], row.x[this.stop]);
      this.go(next, near);
    };
    const keys = {
      ArrowRight: () => this.go(this.row, this.stop + jump),
      ArrowLeft: () => this.go(this.row, this.stop - jump),
      ArrowDown: () => other(1),
      ArrowUp: () => other(-1),
      Home: () => this.go(this.row, 0),
      End: () => this.go(this.row, row.x.length - 1),
      "+": () => this.zoom("in"),
      "=": () => this.zoom("in"),
      "-": () => this.zoom("out"),
      0: () => this.zoom("all"),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  }

  // go moves the cursor by a key, and the part that is shown with it.
  go(row, stop) {
    const { x } = this.rows[row];
    if (x.length === 0) return;
    stop = Math.min(Math.max(stop, 0), x.length - 1);
    const width = this.to - this.from;
    if (x[stop] < this.from || x[stop] > this.to) this.view(x[stop] - width / 2, x[stop] + width / 2);
    this.show(row, stop);
    const name = this.rows[row].node.querySelector("b").textContent;
    this.readout.textContent = (name && name + ": ") + this.rows[row].text[stop];
  }

  // show puts the cursor at a stop of a row, and has each row tell its own last one.
  show(row, stop) {
    this.row = row;
    this.stop = stop;
    const at = this.rows[row].x[stop];
    this.rows.forEach((r, i) => {
      r.node.classList.toggle("at", i === row);
      r.cursor.setAttribute("d", `M${this.inner(at)} 0V1000`);
      const n = i === row ? stop : this.last(r, at);
      r.now.textContent = n >= 0 ? r.text[n] : "";
    });
  }

  // last returns the last stop of a row that is not after a place, or -1.
  last({ x }, at) {
    let low = 0, high = x.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (x[middle] <= at) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  nearest(row, at) {
    const n = this.last(row, at), { x } = row;
    if (n < 0) return x.length > 0 ? 0 : -1;
    return n + 1 < x.length && x[n + 1] - at < at - x[n] ? n + 1 : n;
  }

  inner(value) {
    return (value - this.data.from) / (this.data.to - this.data.from || 1) * WIDE;
  }

  cut(a, b) {
    for (const { cut } of this.rows) {
      cut.setAttribute("x", this.inner(Math.min(a, b)));
      cut.setAttribute("width", Math.abs(this.inner(b) - this.inner(a)));
    }
  }

  zoom(way) {
    if (!this.data.zooms) return;
    const width = this.to - this.from;
    const at = this.stop >= 0 ? this.rows[this.row].x[this.stop] : this.from + width / 2;
    if (way === "all") this.view(this.data.from, this.data.to);
    else if (way === "in") this.view(at - width / 4, at + width / 4);
    else this.view(at - width, at + width);
  }

  // view shows a part of the axis.
  view(from, to) {
    const all = this.data.to - this.data.from;
    const width = Math.min(Math.max(to - from, all / 5000), all);
    this.from = Math.min(Math.max(from, this.data.from), this.data.to - width);
    this.to = this.from + width;
    const list = ticks(this.from, this.to);
    for (const { plot, grid } of this.rows) {
      plot.setAttribute("viewBox", `${this.inner(this.from)} 0 ${width / all * WIDE} 1000`);
      grid.setAttribute("d", list.map((t) => `M${this.inner(t)} 0V1000`).join(""));
    }
    for (const axis of this.axes) axis.replaceChildren(...list.map((t) => {
      const text = svg("text", "");
      const part = (t - this.from) / width;
      text.setAttribute("x", part * 100 + "%");
      text.setAttribute("y", 13);
      text.setAttribute("text-anchor", part < .03 ? "start" : part > .97 ? "end" : "middle");
      text.textContent = this.to < 1 ? round(t * 1000) + " ms" : round(t) + " s";
      return text;
    }));
  }
}

for (const figure of document.querySelectorAll("figure.chart")) new Figure(figure);
