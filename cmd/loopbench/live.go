// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sideloop/sideloop/bench/load"
	"github.com/sideloop/sideloop/bench/result"
)

// liveView shows a run while it goes on: one line that is rewritten in a
// terminal, a line each second elsewhere.
type liveView struct {
	w        io.Writer
	count    uint64 // of requests, where that ends the run
	terminal *os.File
	shown    time.Duration // what the last plain line was about
	warming  bool
	begun    bool
}

func newLiveView(w io.Writer, count uint64) *liveView {
	v := &liveView{w: w, count: count}
	if f, ok := w.(*os.File); ok {
		if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err == nil {
			v.terminal = f
		}
	}
	return v
}

// show is load.Run's progress.
func (v *liveView) show(p load.Progress) {
	if v.terminal != nil {
		line := v.bar(p) + v.figures(p)
		if width := v.width(); len([]rune(line)) >= width {
			line = string([]rune(line)[:max(width-1, 0)])
		}
		_, _ = fmt.Fprint(v.w, "\r\x1b[K"+line)
		v.begun = true
		return
	}
	if p.Warming != v.warming {
		v.warming, v.shown = p.Warming, 0
	}
	if p.Elapsed-v.shown < time.Second {
		return
	}
	v.shown = p.Elapsed.Truncate(time.Second)
	phase := ""
	if p.Warming {
		phase = "warm-up "
	}
	_, _ = fmt.Fprintf(v.w, "%s%v%s\n", phase, v.shown, v.figures(p))
}

// barLength is the progress bar's, which leaves room for the figures in the 80
// columns of the narrowest terminal.
const barLength = 16

// bar is how much of the run is done.
func (v *liveView) bar(p load.Progress) string {
	done := 0.0
	if p.Total > 0 {
		done = p.Elapsed.Seconds() / p.Total.Seconds()
	}
	if v.count > 0 && !p.Warming {
		done = max(done, float64(p.Done)/float64(v.count))
	}
	n := int(min(max(done, 0), 1) * barLength)
	what := fmt.Sprintf("%.1fs", p.Elapsed.Seconds())
	if p.Warming {
		what = "warm-up"
	}
	return strings.Repeat("█", n) + strings.Repeat("░", barLength-n) + " " + what
}

func (v *liveView) figures(p load.Progress) string {
	line := "  " + result.PerSecond.Format(p.RateNow)
	if p.P50 > 0 {
		line += "  p50 " + result.Latency.Format(float64(p.P50)) + "  p99 " + result.Latency.Format(float64(p.P99))
	}
	if !p.Warming {
		line += "  errors " + result.Number.Format(float64(p.Errors))
	}
	return line
}

// width is the terminal's, which may change.
func (v *liveView) width() int {
	size, err := unix.IoctlGetWinsize(int(v.terminal.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 {
		return 80
	}
	return int(size.Col)
}

// clear takes the line away, so that the summary stands in its place.
func (v *liveView) clear() {
	if v.begun {
		_, _ = fmt.Fprint(v.w, "\r\x1b[K")
	}
}
