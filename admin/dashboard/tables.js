// SPDX-License-Identifier: Apache-2.0

// What stands beside the charts: facts, tiles and the tables that are small.

import { $, alarm, cell, figure, make, options, setClass, setHidden, setText, sync } from "./dom.js";
import * as f from "./format.js";

// soon is how near the end of a certificate is a warning, in days.
const soon = 14;

// pairs writes a list of names and values into a dl.
function pairs(dl, list) {
  sync(dl, list, (x) => x.name, (x) => make("div", {}, make("dt", {}, x.name), make("dd", {}, make("span"), make("small"))), (div, x) => {
    setText(div.lastChild.firstChild, x.value);
    setText(div.lastChild.lastChild, x.more ?? "");
    setClass(div, x.alert ? "alert" : "");
    if (x.title && div.title !== x.title) div.title = x.title;
  });
}

export function drawFacts(doc) {
  const p = doc.process;
  pairs($("facts"), [
    { name: "Version", value: p.version, title: p.go },
    { name: "Process", value: String(p.pid) },
    { name: "Up", value: f.span(doc.at - p.started), title: "since " + f.moment(p.started) },
    { name: "Configuration", value: `no. ${p.config_generation}, taken ${f.moment(p.config_applied)}` + (p.config_refused > 0 ? `, ${p.config_refused} refused` : "") },
    { name: "Host", value: location.host },
  ]);
}

export function drawTiles(model) {
  const doc = model.latest, s = model.span(), all = model.listenerFigures().get(""), point = model.history.at(-1);
  const open = doc.listeners.reduce((n, l) => n + l.connections, 0), active = doc.listeners.reduce((n, l) => n + l.requests_active, 0);
  const upstream = doc.clusters.reduce((n, c) => n + c.hosts.reduce((m, h) => m + h.connections, 0), 0);
  const busiest = point?.busy?.length ? Math.max(...point.busy) : undefined;
  const now = s && all.rate > 0 ? all.failed / all.rate : undefined;
  pairs($("tiles"), [
    { name: "Requests/s", value: f.rate(all?.rate), more: `${f.count(doc.counters.downstream_requests_total)} since the start` },
    { name: "Failed/s", value: f.rate(all?.failed), more: now > 0 ? `${f.percent(now)} of all` : "none of late", alert: all?.failed > 0 },
    { name: "p50", value: f.latency(all?.quantiles[0]), more: `p90 ${f.latency(all?.quantiles[1])}` },
    { name: "p99", value: f.latency(all?.quantiles[2]), more: `p99.9 ${f.latency(all?.quantiles[3])}` },
    { name: "In flight", value: f.count(active), more: `${f.of(open, "client")}, ${f.count(upstream)} to hosts` },
    { name: "Busiest loop", value: f.percent(busiest), more: `of ${doc.loops.length}`, alert: busiest > 0.95 },
    { name: "Memory", value: f.bytes(doc.memory.resident), more: `${f.bytes(doc.memory.resident_anonymous)} anonymous` },
  ]);
}

export function drawListeners(model) {
  const doc = model.latest, figures = model.listenerFigures();
  const sum = { name: "", all: true, connections: 0, requests_active: 0 };
  for (const l of doc.listeners) {
    sum.connections += l.connections;
    sum.requests_active += l.requests_active;
  }
  const rows = doc.listeners.length > 1 ? [sum, ...doc.listeners] : doc.listeners;
  sync($("listener-rows"), rows, (l) => l.name + " " + l.address, buildListener, (tr, l) => {
    const c = tr.children, t = figures.get(l.name);
    setText(c[0], l.all ? "All" : l.name);
    setText(c[1], l.address ?? "");
    setText(c[2], l.all ? "" : protocol(l));
    figure(c[3], f.count(l.connections), l.connections === 0);
    figure(c[4], f.rate(t?.rate), !t?.rate);
    alarm(c[5], f.rate(t?.failed), t?.failed);
    figure(c[6], f.count(l.requests_active), l.requests_active === 0);
    for (let q = 0; q < 4; q++) figure(c[7 + q], f.latency(t?.quantiles[q]));
    certificate(c[11], l, doc.at);
  });
}

function buildListener(l) {
  const tr = make("tr", { class: l.all ? "sum" : "" }, cell("", "row"), cell(), cell());
  for (let i = 3; i < 11; i++) tr.append(cell("n"));
  tr.append(cell());
  return tr;
}

const names = { bolt: "Bolt", http2: "HTTP/2" };

function protocol(l) {
  const from = l.protocols.map((p) => names[p] ?? p).join(" or ") + (l.tls ? " + TLS" : "");
  const to = names[l.upstream];
  return (to && l.protocols.join() !== l.upstream ? `${from} → ${to}` : from) + (l.draining ? " (draining)" : "");
}

// certificate tells the one that ends first.
function certificate(td, l, now) {
  if (!l.certificates?.length) {
    setText(td, l.all || l.tls ? "" : "–");
    return;
  }
  const first = l.certificates.reduce((a, b) => (b.not_after < a.not_after ? b : a));
  const days = Math.floor((first.not_after - now) / 86400);
  const failed = l.certificates.find((c) => c.failure);
  const kind = failed || days < 0 ? "bad" : days < soon ? "warn" : "good";
  const text = failed ? "new one not taken" : days < 0 ? "expired " + f.day(first.not_after) : `${f.day(first.not_after)}, ${days} days`;
  const tag = td.firstElementChild ?? td.appendChild(make("span"));
  setClass(tag, "tag " + kind);
  setText(tag, text);
  td.title = failed?.failure ?? `${first.subject} ${(first.names ?? []).join(", ")}`;
}

export function drawLoops(model) {
  const doc = model.latest, point = model.history.at(-1);
  sync($("loop-rows"), doc.loops.map((l, i) => ({ ...l, i })), (l) => l.i, () => {
    const tr = make("tr", {}, cell("", "row"), cell());
    tr.lastChild.append(make("span", { class: "meter", "aria-hidden": "true" }, make("i")), make("span"));
    for (let i = 2; i < 6; i++) tr.append(cell("n"));
    return tr;
  }, (tr, l) => {
    const c = tr.children, busy = point?.busy?.[l.i];
    setText(c[0], String(l.i) + (l.stuck ? " (does not answer)" : ""));
    setClass(c[1].firstChild, "meter" + (busy > 0.95 ? " full" : busy > 0.75 ? " high" : ""));
    c[1].firstChild.firstChild.style.width = `${100 * (busy ?? 0)}%`;
    setText(c[1].lastChild, f.percent(busy));
    figure(c[2], f.count(l.connections), l.connections === 0);
    figure(c[3], f.duration(l.longest_turn_seconds));
    figure(c[4], f.duration(l.lag_seconds));
    figure(c[5], f.rate(point?.turns?.[l.i]));
  });
}

// parts of the memory as people know them, with where to find them.
const parts = [
  ["Objects of the heap", (m) => m.go.heap_objects],
  ["Heap, unused and free", (m) => m.go.heap_unused + m.go.heap_free],
  ["Stacks", (m) => m.go.stacks],
  ["Runtime and profiles", (m) => m.go.metadata + m.go.profiling + m.go.other],
  ["Given back to the system", (m) => m.go.heap_released, "beside"],
  ["Held: gathered messages", (m) => m.held.gather, "of the heap"],
  ["Held: bodies that wait", (m) => m.held.hold, "of the heap"],
  ["Held: kept for a retry", (m) => m.held.replay, "of the heap"],
];

export function drawMemory(doc) {
  const m = doc.memory, own = m.go.total - m.go.heap_released;
  const rows = [["Resident", () => m.resident, "all, with the program's file"], ["Resident, anonymous", () => m.resident_anonymous, "the process's own"], ...parts];
  sync($("memory-rows"), rows, (r) => r[0], (r) => {
    const tr = make("tr", {}, cell("", "row"), cell("n"), cell());
    setText(tr.firstChild, r[0]);
    return tr;
  }, (tr, [, read, note]) => {
    const n = read(m);
    figure(tr.children[1], f.bytes(n), n === 0);
    setText(tr.children[2], note ?? f.percent(own > 0 ? n / own : undefined));
  });
}

export function drawFailures(doc) {
  const all = doc.recent_failures ?? [];
  const texts = new Map(all.map((x) => [x.reason, x.text]));
  options($("reason"), ["", ...[...texts.keys()].sort()], (v) => v || "any");
  for (const o of $("reason").options) if (o.value) setText(o, `${o.value} (${f.count(doc.failures[o.value])})`);
  const reason = $("reason").value;
  setText($("reason-text"), texts.get(reason) ?? "The latest of each reason, so that a frequent one hides no other.");
  const rows = all.filter((x) => !reason || x.reason === reason);
  setHidden($("no-failures"), rows.length > 0);
  const seen = new Map(); // of equal ones each has a key
  sync($("failure-rows"), rows, (x) => {
    const key = `${x.at} ${x.reason} ${x.listener} ${x.request}`, n = seen.get(key) ?? 0;
    seen.set(key, n + 1);
    return `${key} ${n}`;
  }, buildFailure, () => {});
}

// buildFailure makes a row that never changes.
function buildFailure(x) {
  const request = make("td", { class: "request", title: x.request }, x.request || "–");
  const to = [x.cluster, x.host].filter(Boolean).join(", ") || "–";
  const times = make("span", { class: "times", "aria-hidden": "true" });
  const said = [];
  for (const [kind, text, seconds] of [["s-wait", "waiting", x.waiting_seconds], ["s-up", "upstream", x.upstream_seconds], ["s-reply", "reply", x.reply_seconds]]) {
    if (!(seconds > 0)) continue;
    const bar = make("i", { class: kind });
    bar.style.width = `${(100 * seconds) / x.duration_seconds}%`;
    times.append(bar);
    said.push(`${text} ${f.duration(seconds)}`);
  }
  return make("tr", {},
    make("td", { title: f.moment(x.at) }, f.clock(x.at)),
    make("td", { title: x.text }, make("span", { class: "tag bad" }, x.reason)),
    request, make("td", {}, x.listener), make("td", {}, to),
    make("td", { class: "n" }, x.duration_seconds > 0 ? f.duration(x.duration_seconds) : "at once"),
    make("td", {}, said.length > 0 ? make("span", { class: "where" }, times, make("span", {}, said.join(", "))) : make("span", { class: "zero" }, "–")));
}
