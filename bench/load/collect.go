// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"time"

	"github.com/sideloop/sideloop/bench/result"
)

// collector adds up the blocks of all loops. It runs on the goroutine that
// called Run.
type collector struct {
	run      *run
	progress func(Progress)
	finals   int // loops that are done

	requests, late, unsent            uint64
	bytesSent, bytesRead              uint64
	errors                            map[string]uint64
	failed                            uint64
	latency, service, delay, lateness *result.Histogram

	bins    []*bin // the seconds that are not complete yet, in order
	seconds []result.Second
	spare   *bin

	ended  uint64   // requests that ended, warm-up included
	recent []sample // of the last second, for the rate now

	replied bool
	quiet   int  // blocks in a row of loops that were not alive
	lost    bool // no loop has been for lostTime
	trouble string
	last    int64 // when the last request ended
	cut     string

	before, after     result.Usage
	machine, stolen   machineTime // at the beginning, and since
	processes, ending []process
	measuring         bool
}

// bin is a second of the series in the making.
type bin struct {
	result.Second
	latency *result.Histogram
}

// sample is how many requests had ended at a time.
type sample struct {
	at    int64
	ended uint64
}

const (
	// lostTime is how long a run goes on without a connection.
	lostTime = 3 * time.Second
	// haltTime is how long loops have to hand over what they have when a run
	// is cut short; they take microseconds.
	haltTime = time.Second
)

func newCollector(r *run, progress func(Progress)) *collector {
	c := &collector{
		run: r, progress: progress, errors: make(map[string]uint64),
		latency: result.NewHistogram(),
	}
	if r.schedule.open() {
		c.service, c.delay, c.lateness = result.NewHistogram(), result.NewHistogram(), result.NewHistogram()
	}
	return c
}

// collect runs until every loop is done, the target is lost or ctx ends.
func (c *collector) collect(ctx context.Context) {
	begin := time.NewTimer(time.Duration(c.run.schedule.from - clock()))
	defer begin.Stop()
	pulse := time.NewTicker(pulseLength)
	defer pulse.Stop()
	for c.finals < len(c.run.workers) {
		select {
		case <-begin.C:
			c.begin()
		case b := <-c.run.blocks:
			c.add(b)
		case <-pulse.C:
			c.report()
			// Counted in blocks, as the whole process may have stood still.
			if c.quiet >= len(c.run.workers)*int(lostTime/pulseLength) {
				c.lost = true
				c.halt("no connection to the target for " + lostTime.String() + ": " + c.trouble)
				return
			}
		case <-ctx.Done():
			c.halt("interrupted")
			return
		}
	}
	c.end()
}

// begin reads what was used until the measured time.
func (c *collector) begin() {
	c.measuring = true
	c.before, c.machine = generatorUsage(), readMachine()
	c.processes = c.read(nil)
}

// end reads what was used since. A run so short that it is over before begin
// has nothing to compare.
func (c *collector) end() {
	if !c.measuring {
		c.begin()
	}
	c.after, c.stolen = generatorUsage(), readMachine().since(c.machine)
	c.ending = c.read(c.processes)
}

// read reads the watched processes. One that has gone keeps what it had.
func (c *collector) read(earlier []process) []process {
	list := make([]process, 0, len(c.run.options.PIDs))
	for i, pid := range c.run.options.PIDs {
		p, err := readProcess(pid)
		if err != nil && earlier != nil {
			p = earlier[i]
		}
		list = append(list, p)
	}
	return list
}

// halt cuts the run short.
func (c *collector) halt(why string) {
	c.cut = why
	for _, w := range c.run.workers {
		w.loop.Post(w.halt)
	}
	patience := time.After(haltTime)
	for c.finals < len(c.run.workers) {
		select {
		case b := <-c.run.blocks:
			c.add(b)
		case <-patience:
			c.finals = len(c.run.workers)
		}
	}
	c.end()
	c.last = clock()
}

// add adds a block and gives it back.
func (c *collector) add(b *block) {
	c.ended += b.ended
	c.requests += b.requests
	c.late += b.late
	c.unsent += b.unsent
	c.bytesSent += b.bytesSent
	c.bytesRead += b.bytesRead
	c.failed += b.failed()
	for word, n := range b.errors {
		c.errors[word] += n
	}
	c.latency.Merge(b.latency)
	if c.service != nil {
		c.service.Merge(b.service)
		c.delay.Merge(b.delay)
		c.lateness.Merge(b.lateness)
	}
	c.addSecond(b)
	c.last = max(c.last, b.last)
	c.replied = c.replied || b.replied
	c.quiet++
	if b.alive {
		c.quiet = 0
	}
	if b.trouble != "" {
		c.trouble = b.trouble
	}
	if b.final {
		c.finals++
		return
	}
	worker := b.worker
	b.reset()
	c.run.workers[worker].spare <- b
}

// addSecond adds a block to its second. Loops are at most a pulse apart, so a
// second is complete when one after the next begins.
func (c *collector) addSecond(b *block) {
	var s *bin
	for _, x := range c.bins {
		if x.At == b.second {
			s = x
		}
	}
	if s == nil {
		s = &bin{latency: result.NewHistogram()}
		if c.spare != nil {
			s, c.spare = c.spare, nil
		}
		s.At = b.second
		c.bins = append(c.bins, s)
	}
	s.Requests += b.requests
	s.Errors += b.failed()
	s.latency.Merge(b.latency)
	if len(c.bins) > 2 {
		c.closeBin()
	}
}

// closeBin completes the oldest second.
func (c *collector) closeBin() {
	s := c.bins[0]
	c.bins = c.bins[1:]
	s.P50, s.P99, s.Max = s.latency.At(50), s.latency.At(99), s.latency.Max()
	c.seconds = append(c.seconds, s.Second)
	s.latency.Reset()
	s.Second = result.Second{}
	c.spare = s
}

// report calls progress.
func (c *collector) report() {
	now := clock()
	c.recent = append(c.recent, sample{now, c.ended})
	for len(c.recent) > 1 && now-c.recent[0].at > int64(time.Second+pulseLength/2) {
		c.recent = c.recent[1:]
	}
	if c.progress == nil {
		return
	}
	s := c.run.schedule
	p := Progress{
		Elapsed: time.Duration(max(now-s.from, 0)), Requests: c.requests, Errors: c.failed, Done: c.requests + c.failed,
		Warming: now < s.from,
	}
	switch {
	case p.Warming:
		p.Elapsed, p.Total = time.Duration(max(now-s.start, 0)), time.Duration(s.from-s.start)
	case s.until != forever:
		p.Total = time.Duration(s.until - s.from)
		p.Elapsed = min(p.Elapsed, p.Total)
	}
	if first := c.recent[0]; now > first.at {
		p.RateNow = float64(c.ended-first.ended) / time.Duration(now-first.at).Seconds()
	}
	if n := len(c.bins); n > 0 {
		// The second that is being filled stands for itself only at first.
		full := c.bins[max(n-2, 0)]
		p.P50, p.P99 = full.latency.At(50), full.latency.At(99)
	}
	c.progress(p)
}
