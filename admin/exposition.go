// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bufio"
	"strconv"
	"strings"
	"time"

	"github.com/sideloop/sideloop/stats"
)

const (
	// shortest and longest are the powers of two, in nanoseconds, that the
	// buckets of the exposition end at: 65 µs to 69 s. Each is exact.
	shortest = 16
	longest  = 36
)

const (
	// pauseAfter and pause keep a long scrape from taking a processor away from
	// the loops for more than about a millisecond at a time.
	pauseAfter = 64 << 10
	pause      = time.Millisecond
)

// exposition is Prometheus' text format 0.0.4, which wants the series of a family
// together: they are kept until all are known.
type exposition struct {
	lines map[*family][]byte
}

// add is a visitor.
func (e *exposition) add(f *family, value float64, h *stats.Histogram, labels ...string) {
	e.lines[f] = f.appendSeries(e.lines[f], value, h, labels)
}

// flush writes the families that have series.
func (e *exposition) flush(out *bufio.Writer) {
	for _, f := range families() {
		if b := e.lines[f]; len(b) > 0 {
			out.Write(f.appendHead(out.AvailableBuffer()))
			out.Write(b)
		}
	}
}

// streamed writes series at once, which come family by family.
type streamed struct {
	out    *bufio.Writer
	latest *family
	line   []byte
	// written is how much, since the latest pause.
	written int
}

// add is a visitor.
func (w *streamed) add(f *family, value float64, h *stats.Histogram, labels ...string) {
	if f != w.latest {
		w.latest = f
		w.out.Write(f.appendHead(w.out.AvailableBuffer()))
	}
	w.line = f.appendSeries(w.line[:0], value, h, labels)
	w.out.Write(w.line)
	if w.written += len(w.line); w.written >= pauseAfter {
		w.written = 0
		time.Sleep(pause)
	}
}

var kindNames = [...]string{counter: "counter", gauge: "gauge", histogram: "histogram"}

func (f *family) appendHead(b []byte) []byte {
	b = append(append(append(append(b, "# HELP "...), f.name...), ' '), f.help...)
	b = append(append(append(b, "\n# TYPE "...), f.name...), ' ')
	return append(append(b, kindNames[f.kind]...), '\n')
}

// appendSeries appends the lines of one series.
func (f *family) appendSeries(b []byte, value float64, h *stats.Histogram, labels []string) []byte {
	if f.kind != histogram {
		return f.appendLine(b, "", labels, "", value)
	}
	for d := shortest; d <= longest; d++ {
		b = f.appendLine(b, "_bucket", labels, bounds[d-shortest], float64(h.Below(d)))
	}
	count := float64(h.Count())
	b = f.appendLine(b, "_bucket", labels, "+Inf", count)
	b = f.appendLine(b, "_sum", labels, "", h.Sum().Seconds())
	return f.appendLine(b, "_count", labels, "", count)
}

// bounds are the upper bounds of the buckets, in seconds.
var bounds = func() (all [longest - shortest + 1]string) {
	for i := range all {
		all[i] = strconv.FormatFloat(float64(uint64(1)<<(shortest+i))/1e9, 'g', -1, 64)
	}
	return all
}()

// appendLine appends one line; le is a bucket's bound or empty.
func (f *family) appendLine(b []byte, suffix string, labels []string, le string, value float64) []byte {
	b = append(append(b, f.name...), suffix...)
	for i, name := range f.labels {
		b = append(b, "{,"[min(i, 1)])
		b = append(append(b, name...), `="`...)
		b = append(appendEscaped(b, labels[i]), '"')
	}
	if le != "" {
		b = append(b, "{,"[min(len(f.labels), 1)])
		b = append(append(append(b, `le="`...), le...), '"')
	}
	if len(f.labels) > 0 || le != "" {
		b = append(b, '}')
	}
	b = strconv.AppendFloat(append(b, ' '), value, 'g', -1, 64)
	return append(b, '\n')
}

// appendEscaped appends a label's value, which must be UTF-8.
func appendEscaped(b []byte, value string) []byte {
	if !strings.ContainsAny(value, "\\\"\n") {
		return append(b, strings.ToValidUTF8(value, "\uFFFD")...)
	}
	for _, r := range value { // what is not UTF-8 comes as U+FFFD
		switch r {
		case '\\', '"':
			b = append(b, '\\', byte(r))
		case '\n':
			b = append(b, `\n`...)
		default:
			b = append(b, string(r)...)
		}
	}
	return b
}
