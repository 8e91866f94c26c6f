// SPDX-License-Identifier: Apache-2.0

import { Chart } from "./chart.js";
import { Clusters } from "./clusters.js";
import { $, setAttribute, setText } from "./dom.js";
import * as f from "./format.js";
import { Model } from "./model.js";
import * as operate from "./operate.js";
import { drawFacts, drawFailures, drawListeners, drawLoops, drawMemory, drawTiles } from "./tables.js";

// period is how often the figures are asked for; the proxy makes them once a
// second at most. timeout is when it counts as not answering.
const period = 1000, timeout = 4000;
// reasonsShown of the errors have a colour of their own.
const reasonsShown = 5;

const model = new Model();
const clusters = new Clusters(model);
let paused = false, lostAt, answeredAt, timer;

// reasons are the most frequent errors in the charts, and what they are summed
// up as.
function reasons() {
  const sums = new Map();
  for (const p of model.history) for (const [word, n] of Object.entries(p.reasons ?? {})) sums.set(word, (sums.get(word) ?? 0) + n);
  const all = [...sums].sort((a, b) => b[1] - a[1]).map(([word]) => word);
  return all.length > reasonsShown + 1 ? [...all.slice(0, reasonsShown), "others"] : all;
}

function readReasons(p) {
  const names = reasons.now ?? [];
  const shown = names.map((word) => p.reasons[word] ?? 0);
  if (names.at(-1) === "others") {
    shown[names.length - 1] = Object.entries(p.reasons).reduce((sum, [word, n]) => (names.includes(word) ? sum : sum + n), 0);
  }
  return shown;
}

const charts = [
  new Chart($("chart-rate"), { title: "Requests per second", names: () => ["all", "failed"], read: (p) => [p.rate, p.failed], format: f.rate, empty: "No requests yet" }),
  new Chart($("chart-latency"), { title: "Latency", names: () => ["p50", "p90", "p99", "p99.9"], read: (p) => p.quantiles, format: f.latency, log: true, empty: "No requests yet" }),
  new Chart($("chart-errors"), { title: "Errors per second, by reason", names: () => (reasons.now = reasons()), read: readReasons, format: f.rate, stacked: true, empty: "No errors in five minutes" }),
  new Chart($("chart-bytes"), { title: "Bytes per second, both sides", names: () => ["read", "written"], read: (p) => [p.read, p.written], format: f.bytes, bytes: true, empty: "Nothing moves" }),
  new Chart($("chart-busy"), { title: "Share of time busy", names: () => (model.latest?.loops ?? []).map((_, i) => `loop ${i}`), read: (p) => p.busy, format: f.percent, top: 1, empty: "Idle" }),
  new Chart($("chart-memory"), { title: "Memory", names: () => ["resident", "anonymous"], read: (p) => [p.resident, p.anonymous], format: f.bytes, bytes: true }),
];

function draw() {
  if (!model.latest) return;
  drawFacts(model.latest);
  drawTiles(model);
  drawListeners(model);
  drawLoops(model);
  drawMemory(model.latest);
  drawFailures(model.latest);
  clusters.update();
  for (const c of charts) c.update(model.history);
  operate.update(model.latest);
}

// state tells how fresh the figures are. A screen reader hears changes only.
function state() {
  let kind = "live", text = "Live";
  if (lostAt) {
    kind = "lost";
    text = answeredAt ? `Not connected since ${f.clock(answeredAt)}` : "The proxy does not answer";
  } else if (paused) {
    kind = "paused";
    text = "Paused" + (model.latest ? ` at ${f.clock(model.latest.at)}` : "");
  } else if (model.latest?.process.draining) {
    kind = "draining";
    text = "Draining";
  } else if (!model.latest) {
    kind = "waiting";
    text = "Waiting for the first figures";
  } else if (model.latest.loops.some((l) => l.stuck)) {
    kind = "lost";
    text = "A loop does not answer";
  }
  setAttribute($("state"), "data-state", kind);
  setText($("state-text"), text);
  document.documentElement.classList.toggle("stale", lostAt !== undefined);
  document.title = kind === "lost" ? "Sideloop: " + text : "Sideloop";
}

async function poll() {
  const began = performance.now();
  try {
    const r = await fetch("/overview", { signal: AbortSignal.timeout(timeout) });
    if (!r.ok) throw new Error(String(r.status));
    const doc = await r.json();
    lostAt = undefined;
    answeredAt = Date.now() / 1000;
    if (!paused && model.take(doc)) draw();
  } catch {
    lostAt ??= Date.now() / 1000;
  }
  state();
  plan(Math.max(100, period - (performance.now() - began)));
}

// plan asks again after a while, but not for a page that nobody sees.
function plan(wait) {
  clearTimeout(timer);
  timer = undefined;
  if (!paused && document.visibilityState === "visible") timer = setTimeout(poll, wait);
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  setAttribute($("pause"), "aria-pressed", String(paused));
  setText($("pause"), paused ? "Resume" : "Pause");
  state();
  plan(0);
});
document.addEventListener("visibilitychange", () => plan(0));
$("reason").addEventListener("change", () => model.latest && drawFailures(model.latest));

const theme = $("theme");
theme.value = document.documentElement.dataset.theme ?? "auto";
theme.addEventListener("change", () => {
  if (theme.value === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  try { localStorage.setItem("theme", theme.value); } catch { /* storage is off: until the page is left */ }
});

operate.start();
state();
poll();
