// SPDX-License-Identifier: Apache-2.0

package load

import (
	"math/rand/v2"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/eventloop"
)

// worker is one loop's share of a run. Only that loop uses it, but for what is
// marked.
type worker struct {
	index    int
	options  *Options // read only
	message  *message
	loop     *eventloop.Loop
	memory   codec.Memory
	conns    []*conn
	schedule *schedule // nil until the run starts

	blocks chan<- *block // to the collector
	spare  chan *block   // from it
	ready  chan<- int    // told once how many connections there are
	block  *block

	now     int64  // when what is being handled came
	next    uint64 // the next request due, counted over the loop's connections
	quota   uint64 // requests of the measured time still to begin
	pending uint64 // of those that began, what has not ended
	settled int    // connections whose first dial has ended
	last    int64  // when the last measured request ended
	stopped bool   // nothing new begins
	halted  bool   // the end
	grace   int64  // when what is pending is given up, once stopped

	opening, pulse, sweep, ending eventloop.Timer
	pacer                         pacer // of an open loop

	boltLimits bolt.Limits
	h2Limits   http2.Limits
}

const (
	// pulseLength is how often a loop hands over its figures.
	pulseLength = 200 * time.Millisecond
	// settleTime is how long a connection must last to count as one while no
	// reply comes: a target of another protocol closes it much sooner.
	settleTime = time.Second
	// drainTime is how long requests in flight may take after the end of the
	// measured time.
	drainTime = time.Second
	// lateBy is what the generator may be late by before it counts: far over
	// what it is on a machine that has a CPU for it.
	lateBy = time.Millisecond
	// finestSweep and coarsestSweep bound how exactly timeouts are kept: an
	// eighth of the timeout.
	finestSweep   = time.Millisecond
	coarsestSweep = 100 * time.Millisecond
	// blocksPerWorker: one is filled while others are added up.
	blocksPerWorker = 4
)

// expirer makes a timer's Expirer of a function.
type expirer func()

func (f expirer) OnTimer(int64) { f() }

func newWorker(index int, o *Options, m *message, loop *eventloop.Loop) *worker {
	w := &worker{index: index, options: o, message: m, loop: loop, quota: 1<<64 - 1}
	w.spare = make(chan *block, blocksPerWorker)
	for range blocksPerWorker - 1 {
		w.spare <- newBlock(index, o.Rate > 0)
	}
	w.block = newBlock(index, o.Rate > 0)
	w.pacer = pacer{worker: w, next: forever}
	w.opening.Expire = expirer(w.onOpening)
	w.pulse.Expire = expirer(w.onPulse)
	w.sweep.Expire = expirer(w.onSweep)
	w.ending.Expire = expirer(w.onEnding)
	w.boltLimits, w.h2Limits = limits(o)
	for i := index; i < o.Connections; i += o.Loops {
		w.conns = append(w.conns, newConn(w, i))
	}
	if o.Count > 0 {
		w.quota = o.Count / uint64(o.Loops)
		if uint64(index) < o.Count%uint64(o.Loops) {
			w.quota++
		}
	}
	return w
}

// Receive windows of HTTP/2 connections: generous, as the generator consumes
// everything at once, so that a target never waits for us.
const (
	streamWindow     = 1 << 20
	connectionWindow = 1 << 24
)

// limits are for a target that is trusted: it may send what it likes as fast as
// it can.
func limits(o *Options) (bolt.Limits, http2.Limits) {
	b, h := bolt.DefaultLimits(), http2.DefaultLimits()
	b.MaxStreams = o.InFlight
	h.MaxStreams = o.InFlight
	h.ConnWindow, h.StreamWindow, h.MaxStreamWindow = connectionWindow, streamWindow, streamWindow
	h.OverheadBurst, h.OverheadRate = int(time.Second), int(time.Second)
	return b, h
}

func (w *worker) newSession(sink codec.Sink, owner codec.Owner) codec.ClientSession {
	if w.options.Protocol == Bolt || w.options.Protocol == BoltV2 {
		return bolt.NewClient(sink, owner, &w.memory, &w.boltLimits, rand.Uint32())
	}
	return http2.NewClient(sink, owner, &w.memory, &w.h2Limits)
}

// connect dials all connections.
func (w *worker) connect() {
	for _, c := range w.conns {
		c.dial()
	}
}

// settle counts the first dials that have ended; after the last the run can
// start.
func (w *worker) settle() {
	w.settled++
	if w.settled < len(w.conns) {
		return
	}
	open := 0
	for _, c := range w.conns {
		if c.link != nil {
			open++
		}
	}
	w.ready <- open
}

// start begins the run. The requests of a closed loop wait for the schedule's
// start, so that they are measured where there is no warm-up.
func (w *worker) start(s *schedule) {
	w.schedule = s
	w.now = clock()
	w.stopped = w.quota == 0
	w.schedulePulse()
	w.loop.Schedule(&w.sweep, w.sweepLength())
	if s.until != forever {
		w.loop.Schedule(&w.ending, time.Duration(s.until-w.now))
	}
	if s.open() {
		w.pacer.pace()
	} else {
		w.onOpening()
	}
	w.checkEnd()
}

// onOpening sends the first requests of a closed loop, at its time.
func (w *worker) onOpening() {
	w.now = clock()
	if w.now < w.schedule.start {
		w.loop.Schedule(&w.opening, time.Duration(w.schedule.start-w.now))
		return
	}
	for _, c := range w.conns {
		if c.link != nil {
			c.link.fill(w.now)
		}
	}
}

// begin tells whether a request of a closed loop may be sent now.
func (w *worker) begin(now int64) bool {
	switch {
	case w.stopped || now < w.schedule.start || now >= w.schedule.until:
		return false
	case w.schedule.measured(now):
		w.admit()
	}
	return true
}

// admit begins a request of the measured time. The last one stops the loop.
func (w *worker) admit() {
	w.quota--
	w.pending++
	w.stopped = w.quota == 0
}

// advance hands what is due to the connections of an open loop.
func (w *worker) advance() {
	n := uint64(len(w.conns))
	for due := w.due(); due <= w.now; due = w.due() {
		if w.schedule.measured(due) {
			w.admit()
			w.block.lateness.Record(w.now - due)
			if w.now-due > int64(lateBy) {
				w.block.late++
			}
		}
		c := w.conns[w.next%n]
		w.next++
		c.arrived++
		if c.link != nil {
			c.link.fill(w.now)
		}
	}
}

// due is when the next request of an open loop is due; forever when none is.
func (w *worker) due() int64 {
	n := uint64(len(w.conns))
	due := w.schedule.arrival(w.conns[w.next%n].number, w.next/n)
	if w.stopped || due >= w.schedule.until {
		return forever
	}
	return due
}

// account counts a request that is over.
func (w *worker) account(r *request) {
	if w.halted {
		return
	}
	b := w.block
	b.ended++
	if r.link.answered {
		b.replied, b.alive = true, true
	}
	if !w.schedule.measured(r.due) {
		return
	}
	b.bytesSent += uint64(r.put)
	b.bytesRead += uint64(r.got)
	if r.word == "" {
		b.requests++
		b.latency.Record(w.now - r.due)
		if b.service != nil {
			b.service.Record(w.now - r.sent)
			b.delay.Record(r.sent - r.due)
		}
	} else {
		w.count(r.word)
	}
	w.over()
}

// drop counts a request that was due and will not be sent.
func (w *worker) drop(due int64, word string) {
	if w.halted {
		return
	}
	w.block.ended++
	if w.schedule.measured(due) {
		w.count(word)
		w.block.unsent++
		w.over()
	}
}

// over ends a request of the measured time.
func (w *worker) over() {
	w.pending--
	w.last = w.now
	w.checkEnd()
}

// fail counts an error that is no request's.
func (w *worker) fail(word string) {
	if w.halted || w.schedule == nil || !w.schedule.measured(clock()) {
		return
	}
	w.count(word)
}

// trouble notes why there is no connection.
func (w *worker) trouble(text string) {
	if !w.halted {
		w.block.trouble = text
	}
}

// count counts an error under its word, or under another when there are too
// many.
func (w *worker) count(word string) {
	errors := w.block.errors
	if _, known := errors[word]; !known && len(errors) >= maxWords {
		word = wordOther
	}
	errors[word]++
}

func (w *worker) sweepLength() time.Duration {
	return min(max(w.options.RequestTimeout/8, finestSweep), coarsestSweep)
}

// onSweep gives up what has taken too long.
func (w *worker) onSweep() {
	if w.halted {
		return
	}
	w.now = clock()
	t := w.now - int64(w.options.RequestTimeout)
	for _, c := range w.conns {
		c.expire(t)
		if c.link != nil {
			c.link.expire(t)
			c.link.fill(w.now)
		}
	}
	if !w.halted {
		w.loop.Schedule(&w.sweep, w.sweepLength())
	}
}
