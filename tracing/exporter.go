// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	crand "crypto/rand"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
)

const (
	// queueBatches is how many batches wait for the collector, all loops'
	// together: at most 4 MiB while it is slow or away.
	queueBatches = 64
	// spareBatches is how many are kept for reuse.
	spareBatches = 2
	// spareBytes is how large one may be that is kept: what a full one has grown
	// to.
	spareBytes = 2 * batchBytes
	// retryFor is how long a batch is sent again and again.
	retryFor = 30 * time.Second
	// backOffFirst and backOffMost are the waits between two tries.
	backOffFirst = 500 * time.Millisecond
	backOffMost  = 8 * time.Second
	// complainInterval is how often failures are logged.
	complainInterval = time.Minute
)

// Exporter sends the spans of all loops to a collector. It is made when tracing is
// first switched on, and stays.
type Exporter struct {
	log       *slog.Logger
	client    http.Client
	recorders []*recorder
	target    atomic.Pointer[target] // where there is no URL spans are let go of
	interval  atomic.Int64           // a batch's, in nanoseconds
	queue     chan *batch
	spare     chan *batch

	sent, dropped, failed atomic.Uint64

	complained time.Time
	cancel     context.CancelFunc
	done       chan struct{}
}

// Counts is what became of spans.
type Counts struct {
	// Sent spans the collector has taken. Dropped ones found the queue full,
	// Failed ones were refused by the collector, or it did not take them in time.
	Sent, Dropped, Failed uint64
}

// target is where spans go, and whose they are.
type target struct {
	url          string
	headers      http.Header
	timeout      time.Duration
	maxPerSecond uint32
	// resource is the Resource of every post.
	resource message
}

// NewExporter returns an exporter with a recorder for each loop.
func NewExporter(loops []*eventloop.Loop, log *slog.Logger, c *config.Tracing) *Exporter {
	e := &Exporter{
		log: log, queue: make(chan *batch, queueBatches), spare: make(chan *batch, spareBatches), done: make(chan struct{}),
		client: http.Client{
			Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	for _, l := range loops {
		var seed [32]byte
		crand.Read(seed[:]) // never fails
		r := &recorder{exporter: e, loop: l, random: rand.NewChaCha8(seed)}
		r.timer.Expire = r
		e.recorders = append(e.recorders, r)
	}
	e.Aim(c)
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	go e.run(ctx)
	return e
}

// Aim changes the target; nil lets spans that still come go.
func (e *Exporter) Aim(c *config.Tracing) {
	t := new(target)
	if c != nil {
		t.url, t.timeout, t.maxPerSecond = c.Endpoint, c.Timeout, c.MaxPerSecond
		t.headers = make(http.Header, len(c.Headers)+1)
		for name, value := range c.Headers {
			t.headers.Set(name, value)
		}
		t.headers.Set("Content-Type", "application/x-protobuf")
		t.resource = resourceOf(c)
		e.interval.Store(int64(c.BatchInterval))
	}
	e.target.Store(t)
}

// Counts is what became of spans so far.
func (e *Exporter) Counts() Counts {
	return Counts{e.sent.Load(), e.dropped.Load(), e.failed.Load()}
}

// newBatch returns an empty batch, with some room if it is a new one.
func (e *Exporter) newBatch(room int) *batch {
	select {
	case b := <-e.spare:
		return b
	default:
		return &batch{bytes: make(message, 0, room)}
	}
}

// offer queues a batch if there is room.
func (e *Exporter) offer(b *batch) {
	select {
	case e.queue <- b:
	default:
		e.dropped.Add(uint64(b.spans))
		e.reuse(b)
	}
}

// reuse keeps a batch for another time.
func (e *Exporter) reuse(b *batch) {
	if cap(b.bytes) > spareBytes {
		return
	}
	b.spans, b.bytes = 0, b.bytes[:0]
	select {
	case e.spare <- b:
	default:
	}
}

// Close sends what loops that have stopped still hold, and what is queued, until
// ctx ends.
func (e *Exporter) Close(ctx context.Context) {
	for _, r := range e.recorders {
		if r.batch != nil {
			e.offer(r.batch)
			r.batch = nil
		}
	}
	close(e.queue)
	select {
	case <-e.done:
	case <-ctx.Done():
		e.cancel()
		<-e.done
	}
	e.cancel()
	e.client.CloseIdleConnections()
}
