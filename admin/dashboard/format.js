// SPDX-License-Identifier: Apache-2.0

// Figures as people read them. What is not known is a dash.

const dash = "–";

const known = (x) => x !== undefined && x !== null && !Number.isNaN(x);

// digits keeps three of them.
function digits(x) {
  if (x === 0) return "0";
  if (x >= 99.95) return x.toFixed(0);
  return x >= 9.995 ? x.toFixed(1) : x.toFixed(2);
}

export function count(n) {
  if (!known(n)) return dash;
  return n < 10000 ? String(Math.round(n)) : rate(n);
}

// of is a number of things.
export const of = (n, thing) => `${count(n)} ${thing}${n === 1 ? "" : "s"}`;

export function rate(x) {
  if (!known(x)) return dash;
  if (x >= 999500) return digits(x / 1e6) + " M";
  if (x >= 9995) return digits(x / 1e3) + " k";
  return x >= 100 ? x.toFixed(0) : digits(x);
}

export function duration(seconds) {
  if (!known(seconds)) return dash;
  if (seconds === 0) return "0";
  if (seconds < 0.9995e-3) return digits(seconds * 1e6) + " µs";
  if (seconds < 0.9995) return digits(seconds * 1e3) + " ms";
  return seconds < 60 ? digits(seconds) + " s" : span(seconds);
}

// latency is a duration of a histogram, whose first bucket is up to 8 µs.
export function latency(seconds) {
  return seconds < 8.192e-6 ? "< 8 µs" : duration(seconds);
}

export function bytes(n) {
  if (!known(n)) return dash;
  for (const unit of ["B", "KiB", "MiB"]) {
    if (n < 1000) return (unit === "B" ? String(Math.round(n)) : digits(n)) + " " + unit;
    n /= 1024;
  }
  return digits(n) + " GiB";
}

export function percent(part) {
  if (!known(part)) return dash;
  const p = 100 * part;
  return (p > 0 && p < 10 ? p.toFixed(p < 0.1 ? 2 : 1) : p.toFixed(0)) + " %";
}

// span is a time in its two largest units.
export function span(seconds) {
  if (!known(seconds)) return dash;
  let left = Math.max(0, Math.floor(seconds));
  const parts = [];
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    const n = Math.floor(left / size);
    left -= n * size;
    if (n > 0 || parts.length > 0 || unit === "s") parts.push(`${n} ${unit}`);
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

export const clock = (unix) => new Date(unix * 1000).toLocaleTimeString("en-GB");

export const moment = (unix) => {
  const d = new Date(unix * 1000);
  const today = d.toDateString() === new Date().toDateString();
  return (today ? "" : d.toISOString().slice(0, 10) + " ") + clock(unix);
};

export const day = (unix) => new Date(unix * 1000).toISOString().slice(0, 10);
