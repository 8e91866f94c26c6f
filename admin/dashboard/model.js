// SPDX-License-Identifier: Apache-2.0

// What the figures are: differences of two documents of /overview.

// historyLimit is how many points the charts have: five minutes of seconds.
export const historyLimit = 300;
// windowLimit is how many documents the tables look back: five seconds.
const windowLimit = 6;
// gapSeconds without a document are a gap in the charts.
const gapSeconds = 5;

export const quantiles = [0.5, 0.9, 0.99, 0.999];

// width is how long a bucket is that begins at so many nanoseconds.
const width = (from) => (from === 0 ? 8192 : 2 ** (Math.floor(Math.log2(from)) - 3));

// since is how much a counter grew; one that was begun anew counts from 0.
const since = (now, before) => (now >= before ? now - before : now);

// grown is how much each counter of an object grew, zeros left out.
function grown(now, before) {
  const all = {};
  for (const [key, n] of Object.entries(now ?? {})) {
    const d = since(n, before?.[key] ?? 0);
    if (d > 0) all[key] = d;
  }
  return all;
}

const total = (counters) => Object.values(counters).reduce((a, b) => a + b, 0);

// Distribution is how many durations fell into each bucket.
class Distribution {
  constructor() { this.buckets = new Map(); this.count = 0; }

  // add takes in what came to a histogram between two documents.
  add(now, before) {
    if (!now) return;
    const old = new Map(before?.buckets);
    const anew = now.sum_seconds < (before?.sum_seconds ?? 0);
    for (const [from, n] of now.buckets) {
      const d = anew ? n : n - (old.get(from) ?? 0);
      if (d > 0) {
        this.buckets.set(from, (this.buckets.get(from) ?? 0) + d);
        this.count += d;
      }
    }
  }

  // quantile is in seconds, undefined where nothing was measured.
  quantile(q) {
    if (this.count === 0) return undefined;
    let rank = Math.min(Math.floor(q * this.count), this.count - 1);
    for (const [from, n] of [...this.buckets].sort((a, b) => a[0] - b[0])) {
      if (rank < n) return (from + width(from) / 2) / 1e9;
      rank -= n;
    }
    return undefined;
  }

  quantiles() { return quantiles.map((q) => this.quantile(q)); }
}

const byName = (list) => new Map(list.map((x) => [x.name, x]));

// traffic is the figures of a listener or a cluster between two documents.
function traffic(now, before, seconds) {
  const d = new Distribution();
  d.add(now.duration, before?.duration);
  const failed = grown(now.failed, before?.failed);
  return {
    rate: since(now.requests, before?.requests ?? 0) / seconds,
    failed: total(failed) / seconds,
    reasons: failed,
    distribution: d,
    quantiles: d.quantiles(),
  };
}

export class Model {
  constructor() { this.reset(); }

  reset() {
    this.documents = [];
    this.history = [];
  }

  get latest() { return this.documents.at(-1); }

  // take adds a document. It is false for one that is there already.
  take(doc) {
    const last = this.latest;
    if (last && (doc.process.started !== last.process.started || doc.process.pid !== last.process.pid)) this.reset();
    else if (last && doc.at <= last.at) return false;
    else if (last) this.note(doc, last);
    this.documents.push(doc);
    if (this.documents.length > windowLimit) this.documents.shift();
    if (doc.at - this.documents[0].at > 2 * windowLimit && this.documents.length > 2) this.documents.splice(0, this.documents.length - 2);
    this.listeners = undefined;
    this.clusters = undefined;
    return true;
  }

  // note adds a point to the charts.
  note(doc, last) {
    const seconds = doc.at - last.at;
    if (seconds > gapSeconds) this.history.push({ at: last.at + 1, gap: true });
    const before = byName(last.listeners);
    const all = new Distribution();
    for (const l of doc.listeners) all.add(l.duration, before.get(l.name)?.duration);
    const reasons = grown(doc.failures, last.failures);
    const servers = since(doc.counters.upstream_server_errors_total, last.counters.upstream_server_errors_total);
    const perSecond = Object.fromEntries(Object.entries(reasons).map(([word, n]) => [word, n / seconds]));
    if (servers > 0) perSecond["5xx of hosts"] = servers / seconds;
    const sum = (field) => doc.loops.reduce((n, l, i) => n + since(l[field], last.loops[i]?.[field] ?? 0), 0) / seconds;
    this.history.push({
      at: doc.at,
      rate: since(doc.counters.downstream_requests_total, last.counters.downstream_requests_total) / seconds,
      failed: total(reasons) / seconds,
      servers: servers / seconds,
      reasons: perSecond,
      quantiles: all.quantiles(),
      busy: doc.loops.map((l, i) => Math.min(1, since(l.busy_seconds, last.loops[i]?.busy_seconds ?? 0) / seconds)),
      turns: doc.loops.map((l, i) => since(l.turns, last.loops[i]?.turns ?? 0) / seconds),
      read: sum("read_bytes"),
      written: sum("written_bytes"),
      resident: doc.memory.resident,
      anonymous: doc.memory.resident_anonymous,
    });
    while (this.history.length > historyLimit) this.history.shift();
  }

  // span is the documents that the tables compare and the seconds between them;
  // undefined while there is one only.
  span() {
    if (this.documents.length < 2) return undefined;
    const now = this.latest, before = this.documents[0];
    return { now, before, seconds: now.at - before.at };
  }

  // listenerFigures are those of each listener by its name, and of all as "".
  listenerFigures() {
    const s = this.span();
    if (!s) return new Map();
    if (!this.listeners) {
      const before = byName(s.before.listeners);
      this.listeners = new Map();
      const sum = { rate: 0, failed: 0, distribution: new Distribution() };
      for (const l of s.now.listeners) {
        const t = traffic(l, before.get(l.name), s.seconds);
        sum.rate += t.rate;
        sum.failed += t.failed;
        sum.distribution.add(l.duration, before.get(l.name)?.duration);
        this.listeners.set(l.name, t);
      }
      sum.quantiles = sum.distribution.quantiles();
      this.listeners.set("", sum);
    }
    return this.listeners;
  }

  // clusterFigures are those of each cluster by its name.
  clusterFigures() {
    const s = this.span();
    if (!s) return new Map();
    if (!this.clusters) {
      const before = byName(s.before.clusters);
      this.clusters = new Map(s.now.clusters.map((c) => [c.name, traffic(c, before.get(c.name), s.seconds)]));
      this.clustersBefore = before;
    }
    return this.clusters;
  }

  // hostFigures are those of each host of a cluster by its address.
  hostFigures(cluster) {
    const s = this.span();
    if (!s) return new Map();
    this.clusterFigures();
    const before = new Map((this.clustersBefore.get(cluster.name)?.hosts ?? []).map((h) => [h.address, h]));
    const all = new Map();
    let sum = 0;
    for (const h of cluster.hosts) {
      const b = before.get(h.address);
      const tries = since(h.tries, b?.tries ?? 0);
      const spent = since(h.tries_seconds, b?.tries_seconds ?? 0);
      sum += tries;
      all.set(h.address, { tries, rate: tries / s.seconds, failed: since(h.tries_failed, b?.tries_failed ?? 0) / s.seconds, mean: tries > 0 ? spent / tries : undefined });
    }
    for (const f of all.values()) f.share = sum > 0 ? f.tries / sum : undefined;
    return all;
  }
}
