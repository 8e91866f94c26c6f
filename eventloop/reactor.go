// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"
)

const (
	// LoopsMax is gnet's own limit.
	LoopsMax = 255
	// ReadBuffer is how much one read takes from a connection, and so what a
	// connection may make a loop do before the next one's turn.
	ReadBuffer = 64 << 10
	// readBufferMin is the least that gnet accepts, readBufferMax what a loop
	// may hold for it.
	readBufferMin = 1 << 10
	readBufferMax = 16 << 20
)

// ErrStopped is what calls return, and dials fail with, once Stop was called.
var ErrStopped = errors.New("the reactor has been stopped")

// Options configure a reactor. The zero value has one loop.
type Options struct {
	// Loops is the number of loops; 0 is one.
	Loops int
	// ReadBuffer is the size of a loop's read buffer, rounded up to a power of
	// two; 0 is the constant of that name.
	ReadBuffer int
	// Logger gets panics and accept errors, and gnet's own messages at debug
	// level; its handler must not block. nil is slog's default.
	Logger *slog.Logger
}

// Reactor is a set of loops and what feeds them. Its methods may be called from
// any goroutine, but Stop and Listen not from a loop.
type Reactor struct {
	log     *slog.Logger
	client  *gnet.Client
	loops   []*Loop
	enrolls chan struct{} // a place for each accepted connection on its way to a loop
	gate    gate
	// handshakes are those in progress of accepted connections.
	handshakes handshakes
	held       atomic.Bool     // listeners do not accept
	ctx        context.Context // of dials
	cancel     context.CancelCauseFunc

	mu        sync.Mutex
	listeners map[*Listener]struct{}
	stopped   bool
	stopOnce  sync.Once
	done      chan struct{}
}

// Start starts the loops.
func Start(o Options) (*Reactor, error) {
	if o.Loops < 0 || o.Loops > LoopsMax {
		return nil, fmt.Errorf("eventloop: %d loops are not between 1 and %d", o.Loops, LoopsMax)
	}
	if o.ReadBuffer != 0 && (o.ReadBuffer < readBufferMin || o.ReadBuffer > readBufferMax) {
		return nil, fmt.Errorf("eventloop: a read buffer of %d bytes is not between %d and %d",
			o.ReadBuffer, readBufferMin, readBufferMax)
	}
	o.Loops = max(o.Loops, 1)
	if o.ReadBuffer == 0 {
		o.ReadBuffer = ReadBuffer
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	client, err := gnet.NewClient(new(engine),
		gnet.WithNumEventLoop(o.Loops),
		gnet.WithReadBufferCap(o.ReadBuffer),
		gnet.WithLogger(gnetLogger{o.Logger}))
	if err != nil {
		return nil, fmt.Errorf("eventloop: %w", err)
	}
	if err := client.Start(); err != nil {
		return nil, fmt.Errorf("eventloop: %w", err)
	}
	r := &Reactor{
		log: o.Logger, client: client,
		enrolls:   make(chan struct{}, enrollsAtOnce),
		listeners: make(map[*Listener]struct{}),
		done:      make(chan struct{}),
	}
	r.handshakes.start(o.Loops)
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	for i := range o.Loops {
		if err := r.startLoop(i); err != nil {
			r.stop()
			return nil, err
		}
	}
	return r, nil
}

// startLoop puts a timerfd on the next gnet loop, which shows us that loop: gnet
// gives every connection to the loop with the fewest, so each gets one.
func (r *Reactor) startLoop(index int) error {
	l := newLoop(r, index)
	carrier, err := newCarrier()
	if err != nil {
		return fmt.Errorf("eventloop: timer of loop %d: %w", index, err)
	}
	if _, err := r.client.EnrollContext(carrier, l); err != nil {
		return fmt.Errorf("eventloop: timer of loop %d: %w", index, err)
	}
	if l.attachErr != nil {
		return l.attachErr
	}
	for _, other := range r.loops {
		if other.poll.engine == l.poll.engine {
			return shapeError("two connections in a row went to one loop")
		}
	}
	if l.watch, err = newWatcher(l); err != nil {
		return fmt.Errorf("eventloop: watcher of loop %d: %w", index, err)
	}
	l.ahead.allowLinger()
	r.loops = append(r.loops, l)
	return nil
}

// Loops returns the loops, in the order of their index.
func (r *Reactor) Loops() []*Loop { return r.loops }

// HoldAccept makes listeners leave new connections in the kernel's queues, or
// accept them again. One that a listener was waiting for is still taken. Any
// goroutine may call it.
func (r *Reactor) HoldAccept(hold bool) { r.held.Store(hold) }

// place counts a new connection on the loop with the fewest, where those that
// are still on their way count too, and returns that loop.
func (r *Reactor) place() *Loop {
	least := r.loops[0]
	for _, l := range r.loops[1:] {
		if l.load.Load() < least.load.Load() {
			least = l
		}
	}
	least.load.Add(1)
	return least
}

// Stop closes the listeners, gives up dials, ends every connection with
// CauseStopped, sending what the kernel takes at once, and ends the loops. It
// returns when nothing is left running, or with the context's error while the
// stop goes on in the background. Further calls wait for the same stop.
func (r *Reactor) Stop(ctx context.Context) error {
	r.stopOnce.Do(func() { go r.stop() })
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("eventloop: not stopped yet: %w", ctx.Err())
	}
}

func (r *Reactor) stop() {
	defer close(r.done)
	r.mu.Lock()
	r.stopped = true
	listeners := make([]*Listener, 0, len(r.listeners))
	for ln := range r.listeners {
		listeners = append(listeners, ln)
	}
	r.mu.Unlock()
	for _, ln := range listeners {
		ln.Close()
	}
	r.cancel(ErrStopped)
	r.handshakes.stop()
	r.gate.close()
	for _, l := range r.loops {
		shut := make(chan struct{})
		l.Post(func() {
			defer close(shut)
			l.shut()
		})
		<-shut
	}
	if err := r.client.Stop(); err != nil {
		r.log.Error("gnet stopped with an error", "error", err)
	}
	for _, l := range r.loops {
		l.watch.close()
		l.ahead.endLinger()
	}
}

// adopt registers a listener that is to be closed by Stop.
func (r *Reactor) adopt(ln *Listener) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopped {
		r.listeners[ln] = struct{}{}
	}
	return !r.stopped
}

func (r *Reactor) release(ln *Listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.listeners, ln)
}
