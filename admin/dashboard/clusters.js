// SPDX-License-Identifier: Apache-2.0

// The table of clusters and their hosts. Of thousands of rows only those in view
// are in the document.

import { $, alarm, cell, figure, make, setAttribute, setClass, setHidden, setText, sync } from "./dom.js";
import * as f from "./format.js";

// rowHeight is that of .fixed in the style sheet, with the line below.
const rowHeight = 37;
// beyond is how many rows are drawn above and below what is in view, for
// scrolling and the tab key.
const beyond = 8;
// columns of the table.
const columns = 10;

const bad = (h) => h.health[0] !== "healthy" || h.failing_loops > 0;

const orders = {
  name: () => 0, // the configuration's order is kept
  rate: (a, b) => (b.figures?.rate ?? 0) - (a.figures?.rate ?? 0),
  failed: (a, b) => (b.figures?.failed ?? 0) - (a.figures?.failed ?? 0),
  p99: (a, b) => (b.figures?.quantiles[2] ?? 0) - (a.figures?.quantiles[2] ?? 0),
};

export class Clusters {
  constructor(model) {
    this.model = model;
    this.unfolded = new Set();
    this.touched = false;
    this.rows = [];
    this.scroll = $("cluster-scroll");
    this.body = $("cluster-rows");
    this.upper = make("tr", { class: "spacer", "aria-hidden": "true" }, make("td", { colspan: columns }));
    this.lower = this.upper.cloneNode(true);
    this.scroll.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.scroll);
    $("find").addEventListener("input", () => { this.scroll.scrollTop = 0; this.update(); });
    $("sort").addEventListener("change", () => this.update());
    $("trouble").addEventListener("change", () => this.update());
    $("unfold").addEventListener("click", () => this.unfoldAll());
    this.body.addEventListener("click", (e) => {
      const name = e.target.closest(".fold")?.dataset.cluster;
      if (name !== undefined) this.fold(name);
    });
  }

  fold(name) {
    this.touched = true;
    if (!this.unfolded.delete(name)) this.unfolded.add(name);
    this.update();
  }

  unfoldAll() {
    const all = $("unfold").getAttribute("aria-pressed") !== "true";
    setAttribute($("unfold"), "aria-pressed", String(all));
    setText($("unfold"), all ? "Fold all" : "Unfold all");
    this.touched = true;
    this.unfolded = new Set(all ? this.model.latest?.clusters.map((c) => c.name) : []);
    this.update();
  }

  // update makes the rows anew from the latest figures and what is asked for.
  update() {
    const doc = this.model.latest;
    if (!doc) return;
    if (!this.touched && doc.clusters.length <= 4) this.unfolded = new Set(doc.clusters.map((c) => c.name));
    const figures = this.model.clusterFigures();
    const find = $("find").value.trim().toLowerCase(), trouble = $("trouble").checked;
    let requests = 0, clusters = 0, hosts = 0;
    const found = [];
    for (const c of doc.clusters) {
      const one = { cluster: c, figures: figures.get(c.name), hosts: c.hosts };
      requests += one.figures?.rate ?? 0;
      if (find && !c.name.toLowerCase().includes(find)) {
        one.hosts = c.hosts.filter((h) => h.address.toLowerCase().includes(find));
        one.byHost = one.hosts.length > 0;
        if (!one.byHost) continue;
      }
      if (trouble) {
        if (one.figures?.failed > 0 === false && !one.hosts.some(bad)) continue;
        if (one.hosts.some(bad)) one.hosts = one.hosts.filter(bad);
      }
      clusters++;
      hosts += one.hosts.length;
      found.push(one);
    }
    found.sort(orders[$("sort").value]);
    this.rows = found.flatMap((one) => this.rowsOf(one, requests));
    const all = doc.clusters.reduce((n, c) => n + c.hosts.length, 0);
    setText($("cluster-count"), `${doc.clusters.length} with ${f.of(all, "host")}`);
    setText($("found"), find || trouble ? `${f.of(clusters, "cluster")}, ${f.of(hosts, "host")} found` : "");
    setAttribute($("cluster-table"), "aria-rowcount", String(this.rows.length + 1));
    this.scroll.classList.toggle("short", this.rows.length < 14);
    this.draw();
  }

  rowsOf(one, requests) {
    const { cluster } = one;
    const open = one.byHost || this.unfolded.has(cluster.name);
    const rows = [{ key: "c " + cluster.name, cluster, open, figures: one.figures, share: requests > 0 ? (one.figures?.rate ?? 0) / requests : undefined }];
    if (!open) return rows;
    let figures; // made when one of them is drawn
    for (const host of one.hosts) {
      rows.push({ key: `h ${cluster.name} ${host.address}`, host, get figures() { return (figures ??= this.of()).get(host.address); }, of: () => this.model.hostFigures(cluster) });
    }
    return rows;
  }

  // draw puts the rows in view into the document.
  draw() {
    const head = this.body.previousElementSibling?.offsetHeight ?? 0;
    const room = this.scroll.classList.contains("short") ? window.innerHeight : this.scroll.clientHeight;
    const first = Math.max(0, Math.floor((this.scroll.scrollTop - head) / rowHeight) - beyond);
    const last = Math.min(this.rows.length, Math.ceil((this.scroll.scrollTop + room) / rowHeight) + beyond);
    this.upper.firstChild.style.height = `${first * rowHeight}px`;
    this.lower.firstChild.style.height = `${Math.max(0, this.rows.length - last) * rowHeight}px`;
    const shown = this.rows.slice(first, last).map((row, i) => ({ row, number: first + i }));
    const list = [{ spacer: this.upper, key: "upper" }, ...shown.map((s) => ({ ...s, key: s.row.key })), { spacer: this.lower, key: "lower" }];
    sync(this.body, list, (x) => x.key, (x) => x.spacer ?? build(x.row), (tr, x) => {
      if (x.spacer) return;
      setAttribute(tr, "aria-rowindex", String(x.number + 2));
      (x.row.host ? drawHost : drawCluster)(tr, x.row);
    });
  }
}

function build(row) {
  const head = cell("name", "row");
  if (row.cluster) head.append(make("button", { type: "button", class: "fold", "data-cluster": row.cluster.name }, row.cluster.name));
  else head.textContent = row.host.address;
  head.title = row.cluster?.name ?? row.host.address;
  const tr = make("tr", { class: row.host ? "host" : "" }, head, cell());
  for (let i = 2; i < columns; i++) tr.append(cell("n"));
  return tr;
}

// tag writes one word with a colour.
function tag(td, kind, text, title = "") {
  const span = td.firstElementChild ?? td.appendChild(make("span"));
  setClass(span, "tag " + kind);
  setText(span, text);
  if (td.title !== title) td.title = title;
}

function share(td, part) {
  if (!td.firstElementChild) td.append(make("span", { class: "meter small", "aria-hidden": "true" }, make("i")), make("span"));
  td.firstElementChild.firstElementChild.style.width = `${100 * (part ?? 0)}%`;
  setText(td.lastElementChild, f.percent(part));
  setHidden(td.firstElementChild, part === undefined);
}

function numbers(cells, active, waiting, connections) {
  figure(cells[7], f.count(active), active === 0);
  figure(cells[8], f.count(waiting), waiting === 0);
  figure(cells[9], f.count(connections), connections === 0);
}

function drawCluster(tr, row) {
  const cells = tr.children, { hosts } = row.cluster, t = row.figures;
  setAttribute(cells[0].firstElementChild, "aria-expanded", String(row.open));
  const healthy = hosts.filter((h) => !bad(h)).length;
  const kind = healthy === hosts.length && hosts.length > 0 ? "good" : healthy === 0 ? "bad" : "warn";
  tag(cells[1], kind, `${healthy} of ${f.of(hosts.length, "host")}`);
  share(cells[2], row.share);
  figure(cells[3], f.rate(t?.rate), !t?.rate);
  alarm(cells[4], f.rate(t?.failed), t?.failed);
  figure(cells[5], f.latency(t?.quantiles[0]));
  figure(cells[6], f.latency(t?.quantiles[2]));
  const sum = (field) => hosts.reduce((n, h) => n + h[field], 0);
  numbers(cells, sum("requests_active"), sum("requests_waiting"), sum("connections"));
}

const words = { healthy: "healthy", failed_active_hc: "failed check", failed_outlier_check: "ejected" };

function drawHost(tr, row) {
  const cells = tr.children, h = row.host, t = row.figures;
  if (h.health[0] !== "healthy") tag(cells[1], "bad", h.health.map((w) => words[w] ?? w).join(", "));
  else if (h.failing_loops > 0) tag(cells[1], "warn", h.failure, `The last dial of ${h.failing_loops} loops failed.`);
  else tag(cells[1], "good", "healthy");
  share(cells[2], t?.share);
  figure(cells[3], f.rate(t?.rate), !t?.rate);
  alarm(cells[4], f.rate(t?.failed), t?.failed);
  figure(cells[5], f.duration(t?.mean));
  figure(cells[6], "–");
  numbers(cells, h.requests_active, h.requests_waiting, h.connections);
}
