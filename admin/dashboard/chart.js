// SPDX-License-Identifier: Apache-2.0

// Charts of the last minutes, in SVG.

import { make, setText, setAttribute } from "./dom.js";
import { clock } from "./format.js";
import { historyLimit } from "./model.js";

const svgNS = "http://www.w3.org/2000/svg";
const height = 150, left = 52, right = 8, above = 8, below = 18;
// colours is how many classes k0, k1, … there are.
const colours = 7;

function svg(tag, attributes = {}) {
  const e = document.createElementNS(svgNS, tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  return e;
}

// niceTop is the next of 1, 2, 5 times a power of ten; of bytes in their unit.
function niceTop(x, bytes) {
  if (!(x > 0)) return 1;
  const unit = bytes ? 1024 ** Math.floor(Math.log2(x) / 10) : 1;
  const power = 10 ** Math.floor(Math.log10(x / unit));
  for (const step of [1, 2, 5, 10]) if (x / unit <= step * power * 1.0001) return step * power * unit;
  return 10 * power * unit;
}

// spans are how many seconds a chart shows: more as there is more to show.
const spans = [60, 120, 180, historyLimit];

// Chart draws series of points into a figure. read(point) returns its values in
// the order of names(); stacked ones lie on top of each other, and log has
// powers of ten.
export class Chart {
  constructor(figure, options) {
    Object.assign(this, { stacked: false, log: false, bytes: false, top: undefined, empty: "Nothing yet", ...options });
    this.figure = figure;
    this.points = [];
    this.when = make("span", { class: "when" });
    this.legend = make("span");
    this.legend.style.display = "contents";
    figure.append(make("figcaption", {}, make("strong", {}, this.title, this.when), this.legend));
    this.svg = svg("svg", { class: "chart", role: "img", tabindex: "0" });
    figure.append(this.svg);
    this.svg.addEventListener("pointermove", (e) => this.point(e.clientX - this.svg.getBoundingClientRect().left));
    this.svg.addEventListener("pointerleave", () => this.choose(undefined));
    this.svg.addEventListener("blur", () => this.choose(undefined));
    this.svg.addEventListener("keydown", (e) => this.key(e));
    new ResizeObserver(() => this.draw()).observe(this.svg);
  }

  update(points) {
    this.points = points;
    this.draw();
  }

  // choose has the legend tell the values of one point, undefined for the last.
  choose(index) {
    this.chosen = index === undefined ? undefined : this.points[index]?.at;
    this.draw();
  }

  point(x) {
    const at = this.from + ((x - left) / this.plotWidth) * this.span;
    let best;
    this.points.forEach((p, i) => {
      if (!p.gap && (best === undefined || Math.abs(p.at - at) < Math.abs(this.points[best].at - at))) best = i;
    });
    this.choose(best);
  }

  key(e) {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[e.key];
    if (step === undefined || this.points.length === 0) return;
    e.preventDefault();
    const last = this.points.length - 1;
    let i = this.chosen === undefined ? last : this.points.findIndex((p) => p.at === this.chosen);
    do i = Math.min(last, Math.max(0, i + step)); while (this.points[i].gap && i > 0 && i < last);
    this.choose(i);
  }

  // bounds are the least and the highest value of the axis.
  bounds(values) {
    let high = 0, low = Infinity;
    for (const v of values) {
      const sum = this.stacked ? v.reduce((a, b) => a + (b || 0), 0) : Math.max(...v.filter((x) => x !== undefined), 0);
      high = Math.max(high, sum);
      for (const x of v) if (x > 0) low = Math.min(low, x);
    }
    if (!this.log) return [0, this.top ?? niceTop(high, this.bytes)];
    if (low === Infinity) return [1e-4, 1e-1];
    const floor = 10 ** Math.floor(Math.log10(low)), ceiling = 10 ** Math.ceil(Math.log10(high));
    return [floor, ceiling > floor ? ceiling : floor * 10];
  }

  scale([low, high]) {
    const plot = height - above - below;
    if (!this.log) return (v) => above + plot * (1 - v / high);
    const l = Math.log10(low), h = Math.log10(high);
    return (v) => above + plot * (1 - (Math.log10(Math.max(v, low)) - l) / (h - l));
  }

  // ticks are the values that have a line across.
  ticks([low, high]) {
    if (!this.log) return [0, 0.25, 0.5, 0.75, 1].filter((_, i) => i % 2 === 0).map((part) => part * high);
    const all = [];
    for (let v = low; v <= high * 1.001; v *= 10) all.push(v);
    return all.length > 4 ? all.filter((_, i) => i % 2 === (all.length - 1) % 2) : all;
  }

  draw() {
    const width = this.svg.clientWidth;
    const names = this.names();
    const values = this.points.map((p) => (p.gap ? [] : this.read(p)));
    this.tell(names, values);
    if (width === 0) return;
    this.plotWidth = width - left - right;
    const end = this.points.at(-1)?.at ?? Date.now() / 1000;
    const had = end - (this.points[0]?.at ?? end);
    this.span = spans.find((s) => had < s) ?? historyLimit;
    this.from = end - this.span;
    const bounds = this.bounds(values), y = this.scale(bounds);
    const x = (at) => left + ((at - this.from) / this.span) * this.plotWidth;
    const any = values.some((v) => v.some((n) => n > 0));
    const parts = this.frame(any ? this.ticks(bounds) : [], y, x, end, width);
    if (any) {
      parts.push(...(this.stacked ? this.layers(names, values, x, y) : this.lines(names, values, x, y)));
    } else {
      const none = svg("text", { x: left + this.plotWidth / 2, y: height / 2, "text-anchor": "middle", class: "none" });
      none.textContent = this.empty;
      parts.push(none);
    }
    if (this.chosen >= this.from) {
      const at = x(this.chosen).toFixed(1);
      parts.push(svg("line", { x1: at, x2: at, y1: above, y2: height - below, class: "cross" }));
    }
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren(...parts);
  }

  frame(ticks, y, x, end, width) {
    const parts = [svg("line", { x1: left, x2: width - right, y1: height - below, y2: height - below, class: "axis" })];
    for (const v of ticks) {
      const at = y(v).toFixed(1);
      parts.push(svg("line", { x1: left, x2: width - right, y1: at, y2: at, class: "grid" }));
      const label = svg("text", { x: left - 6, y: Number(at) + 4, "text-anchor": "end" });
      label.textContent = this.format(v).replace(/\.0+(?!\d)/, "");
      parts.push(label);
    }
    const step = this.span > 120 ? 60 : this.span / 4;
    for (let ago = 0; ago < this.span; ago += step) {
      const label = svg("text", { x: x(end - ago).toFixed(1), y: height - 4, "text-anchor": ago === 0 ? "end" : "middle" });
      label.textContent = ago === 0 ? "now" : ago % 60 === 0 ? `−${ago / 60} min` : `−${ago} s`;
      parts.push(label);
    }
    return parts;
  }

  lines(names, values, x, y) {
    const parts = [];
    names.forEach((_, s) => {
      let d = "", area = "", from;
      const close = (to) => { if (from !== undefined) area += `L${to} ${height - below}L${from} ${height - below}Z`; from = undefined; };
      let lastX;
      this.points.forEach((p, i) => {
        const v = values[i][s];
        if (v === undefined || Number.isNaN(v)) {
          close(lastX);
          return;
        }
        const px = x(p.at).toFixed(1), step = `${from === undefined ? "M" : "L"}${px} ${y(v).toFixed(1)}`;
        d += step;
        area += step;
        from ??= px;
        lastX = px;
      });
      close(lastX);
      if (s === 0 && names.length < 3 && !this.log) parts.push(svg("path", { d: area, class: `area k${s}` }));
      parts.push(svg("path", { d, class: `k${this.colour(s)}` }));
    });
    return parts;
  }

  layers(names, values, x, y) {
    const base = values.map(() => 0);
    return names.map((_, s) => {
      let upper = "", lower = "", d = "";
      const close = () => { if (upper) d += `M${upper.slice(1)}${lower}Z`; upper = lower = ""; };
      this.points.forEach((p, i) => {
        if (p.gap) {
          close();
          return;
        }
        const px = x(p.at).toFixed(1);
        lower = `L${px} ${y(base[i]).toFixed(1)}` + lower;
        base[i] += values[i][s] || 0;
        upper += `L${px} ${y(base[i]).toFixed(1)}`;
      });
      close();
      return svg("path", { d, class: `stack k${this.colour(s)}` });
    });
  }

  colour(s) { return s % colours; }

  // tell writes the legend: the values chosen, or the latest.
  tell(names, values) {
    let i = this.chosen === undefined ? -1 : this.points.findIndex((p) => p.at === this.chosen);
    if (i < 0) i = this.points.length - 1;
    setText(this.when, this.chosen !== undefined && i >= 0 ? clock(this.points[i].at) : "");
    while (this.legend.children.length > names.length) this.legend.lastChild.remove();
    names.forEach((name, s) => {
      let item = this.legend.children[s];
      if (!item) {
        item = make("span", { class: "legend" }, make("span", { "aria-hidden": "true" }), make("span"), make("b"));
        this.legend.append(item);
      }
      setAttribute(item.children[0], "class", `swatch k${this.colour(s)}`);
      setText(item.children[1], name);
      setText(item.children[2], this.format(values[i]?.[s]));
    });
    const now = names.map((name, s) => `${name} ${this.format(values[i]?.[s])}`).join(", ");
    setAttribute(this.svg, "aria-label", `${this.title}. ${now || this.empty}. Left and right arrow keys choose a time.`);
  }
}
