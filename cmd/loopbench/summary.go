// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sideloop/sideloop/bench/result"
)

// printSummary prints a run for people.
func printSummary(w io.Writer, r *result.Result) {
	line := func(label, format string, args ...any) {
		_, _ = fmt.Fprintf(w, "%-10s "+format+"\n", append([]any{label}, args...)...)
	}
	if r.Partial != "" {
		line("PARTIAL", "%s: the figures are of the time before", r.Partial)
	}
	if r.Invalid != "" {
		line("INVALID", "%s", r.Invalid)
	}
	line("load", "%s", loadText(&r.Command))
	line("requests", "%s in %v, %s", result.Number.Format(float64(r.Requests)),
		time.Duration(r.Elapsed*1e9).Round(time.Millisecond), result.PerSecond.Format(r.Rate()))
	line("errors", "%s", errorText(r))
	printLatencies(line, "latency", r.Latency, r.Tells)
	if r.Service != nil {
		printLatencies(line, "service", r.Service, all)
		printLatencies(line, "delay", r.Delay, all)
	}
	if s := r.Schedule; s != nil {
		line("schedule", "%s due, %s sent, %s noticed more than %s late", result.Number.Format(float64(s.Due)), result.Number.Format(float64(s.Sent)),
			result.Share.Format(s.LateShare), result.Latency.Format(float64(s.LateBy)))
		printLatencies(line, "lateness", s.Lateness, all)
	}
	if text := r.TailText(); text != "" {
		line("?", "%s", text)
	}
	line("content", "%s sent, %s read", result.Bytes.Format(float64(r.BytesSent)), result.Bytes.Format(float64(r.BytesRead)))
	line("generator", "%.0f %% busy, %.2f s user, %.2f s system", 100*r.Generator.Busy, r.Generator.User, r.Generator.System)
	if r.Steal > 0 {
		line("machine", "%s of its CPU time was the host's for others (steal)", result.Share.Format(r.Steal))
	}
	for _, p := range r.Targets {
		line("target", "%s (%d): %s per request, %.2f s user, %.2f s system, peak RSS %s", p.Name, p.PID,
			result.CPU.Format(p.MicrosPerRequest), p.User, p.System, result.Bytes.Format(float64(p.PeakRSS)))
	}
}

// loadText says in one line what was asked for.
func loadText(c *result.Command) string {
	kind := "closed loop"
	if c.Rate > 0 {
		kind = result.PerSecond.Format(c.Rate) + " open loop"
	}
	return fmt.Sprintf("%s to %s, %s, %d connections with %d in flight, %d byte body",
		c.Protocol, c.Target, kind, c.Connections, c.InFlight, c.BodyBytes)
}

// errorText lists errors by reason, the most common first.
func errorText(r *result.Result) string {
	if len(r.Errors) == 0 {
		return "none"
	}
	words := slices.SortedFunc(maps.Keys(r.Errors), func(a, b string) int {
		if r.Errors[a] != r.Errors[b] {
			return int(min(max(int64(r.Errors[b])-int64(r.Errors[a]), -1), 1))
		}
		return strings.Compare(a, b)
	})
	for i, word := range words {
		words[i] = word + " " + result.Number.Format(float64(r.Errors[word]))
	}
	return fmt.Sprintf("%s (%s): %s", result.Number.Format(float64(r.ErrorCount())),
		result.Share.Format(r.ErrorRate()), strings.Join(words, ", "))
}

// percentiles are those of the summary, beside the maximum.
var percentiles = []float64{50, 90, 99, 99.9}

// all is for distributions in which the generator's lateness is no fault.
func all(float64) bool { return true }

// printLatencies marks with ? what cannot be told of the target.
func printLatencies(line func(string, string, ...any), label string, h *result.Histogram, tells func(p float64) bool) {
	if h.Count() == 0 {
		line(label, "none")
		return
	}
	mark := func(p float64) string {
		if tells(p) {
			return ""
		}
		return "?"
	}
	var b strings.Builder
	for _, p := range percentiles {
		fmt.Fprintf(&b, "p%v %s%s  ", p, result.Latency.Format(float64(h.At(p))), mark(p))
	}
	line(label, "%smax %s%s", b.String(), result.Latency.Format(float64(h.Max())), mark(100))
}
