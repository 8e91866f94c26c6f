// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/sideloop/sideloop/bench/result"
	"github.com/sideloop/sideloop/eventloop"
)

// Progress is how far a run is.
type Progress struct {
	// Elapsed and Total are of the measured time, or of the warm-up while
	// Warming; Total is 0 where only a count ends the run.
	Elapsed, Total time.Duration
	// Done is Requests and Errors together, of which Options.Count are wanted.
	Done, Requests, Errors uint64
	// RateNow is requests that ended per second, in the last second.
	RateNow float64
	// P50 and P99 are latencies of the last full second, in nanoseconds.
	P50, P99 int64
	Warming  bool
}

// Run measures until the duration or count is reached or ctx ends; the result is
// then partial. progress, if not nil, is called about five times a second, from
// the goroutine that called Run. The error is only for what kept the run from
// starting: bad options, no connection, or not one reply. A target that dies
// meanwhile gives a partial result with errors counted.
func Run(ctx context.Context, o Options, progress func(Progress)) (*result.Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	m, err := newMessage(&o)
	if err != nil {
		return nil, err
	}
	if _, err := readProcesses(o.PIDs); err != nil {
		return nil, err
	}
	// Loops sit in system calls most of the time. With fewer processors than
	// threads they would wait for the collector for milliseconds.
	threads := o.Loops + 1
	if before := runtime.GOMAXPROCS(0); before < threads {
		runtime.GOMAXPROCS(threads)
		defer runtime.GOMAXPROCS(before)
	}
	reactor, err := eventloop.Start(eventloop.Options{Loops: o.Loops})
	if err != nil {
		return nil, err
	}
	r := newRun(&o, m, reactor)
	res, err := r.measure(ctx, progress)
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if stopErr := reactor.Stop(stop); err == nil && stopErr != nil {
		err = fmt.Errorf("the loops did not stop: %w", stopErr)
	}
	return res, err
}

// stopTimeout is far over what loops take to close their connections.
const stopTimeout = 5 * time.Second

// run is one run, as its goroutine sees it.
type run struct {
	options  *Options
	workers  []*worker
	blocks   chan *block
	ready    chan int
	schedule *schedule
}

func newRun(o *Options, m *message, reactor *eventloop.Reactor) *run {
	r := &run{
		options: o,
		// Every block finds room, so that no loop ever waits.
		blocks: make(chan *block, o.Loops*blocksPerWorker),
		ready:  make(chan int, o.Loops),
	}
	for i, loop := range reactor.Loops() {
		w := newWorker(i, o, m, loop)
		w.blocks, w.ready = r.blocks, r.ready
		r.workers = append(r.workers, w)
	}
	return r
}

// measure connects, starts the loops and adds up what they find.
func (r *run) measure(ctx context.Context, progress func(Progress)) (*result.Result, error) {
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	started := time.Now()
	r.schedule = newSchedule(r.options, clock())
	for _, w := range r.workers {
		w.loop.Post(func() { w.start(r.schedule) })
	}
	c := newCollector(r, progress)
	c.collect(ctx)
	if c.lost && !c.replied {
		return nil, fmt.Errorf("%s gives no reply to %s: %s", r.options.Target, r.options.Protocol, c.trouble)
	}
	return c.result(started), nil
}

// connect waits for the first dial of every connection. One connection is
// enough to start with; the others are tried again later.
func (r *run) connect(ctx context.Context) error {
	for _, w := range r.workers {
		w.loop.Post(w.connect)
	}
	open := 0
	for range r.workers {
		select {
		case n := <-r.ready:
			open += n
		case <-ctx.Done():
			return fmt.Errorf("interrupted before the connections were made: %w", ctx.Err())
		}
	}
	if open > 0 {
		return nil
	}
	trouble := make(chan string, 1)
	r.workers[0].loop.Post(func() { trouble <- r.workers[0].block.trouble })
	return errors.New("no connection: " + <-trouble)
}
