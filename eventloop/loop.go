// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// epoch is where loop time begins. Time since it is monotonic.
var epoch = time.Now()

// monotonic is the present time in nanoseconds since epoch.
func monotonic() int64 { return int64(time.Since(epoch)) }

// Loop is one thread of work: it owns its connections, timers and tasks, and
// everything that their callbacks touch. Unless stated otherwise its methods,
// and those of its connections, may only be called on the loop itself, that is
// from within a callback of it.
type Loop struct {
	reactor *Reactor
	index   int
	log     *slog.Logger
	poll    poller
	watch   *watcher
	alarm   alarm
	wheel   wheel
	exact   exactTimer
	lag     lag

	now       int64
	inTurn    bool
	inboxLeft bool // what was posted while the inbox was read waits for the next turn
	stopping  bool
	turnBytes int // appended or written through since the last flush of the turn
	ahead     lookahead
	tasks     taskList
	dirty     []*Conn // connections with output or a new read mask, in order
	buffers   buffers
	scratch   []byte        // what Extend returns on a closed connection
	plain     []byte        // what was decrypted of the latest read
	views     [2]unix.Iovec // of the writev in progress
	table     connTable
	stats     Stats
	spare     mail  // emptied slices to swap with the inbox
	attachErr error // why the loop cannot be used, set before Start returns

	// What other goroutines touch lies on cache lines of its own.
	_     [64]byte
	inbox inbox
	load  atomic.Int64 // connections, with those being enrolled
}

// Index is the loop's number, from 0.
func (l *Loop) Index() int { return l.index }

// Now is the time of the running turn: monotonic nanoseconds, read once per
// turn, comparable between loops.
func (l *Loop) Now() int64 { return l.now }

// Conns is the number of the loop's connections, with those being enrolled. Any
// goroutine may call it.
func (l *Loop) Conns() int { return int(l.load.Load()) }

func newLoop(r *Reactor, index int) *Loop {
	l := &Loop{reactor: r, index: index, log: r.log.With("loop", index)}
	l.wheel.due = never
	l.alarm.at = notArmed
	l.StopExact()
	l.inbox.deliver = func(any) error {
		l.enter()
		l.readInbox()
		l.leave()
		return nil
	}
	return l
}

// rescue is deferred around every callback: a panic ends the connection c, if
// it is one's, and never the loop.
func (l *Loop) rescue(callback string, c *Conn) {
	v := recover()
	if v == nil {
		return
	}
	l.stats.Panics++
	l.log.Error("panic in a callback", "callback", callback, "panic", v, "stack", string(debug.Stack()))
	if c != nil {
		c.reset(CausePanic, fmt.Errorf("panic in %s: %v", callback, v))
	}
}

// shut ends everything on the loop. It is the last thing posted to it.
func (l *Loop) shut() {
	l.inbox.close()
	l.stopping = true
	l.flushDirty()
	conns := l.table.all()
	for _, c := range conns {
		l.flushConn(c)
		if c.tls != nil && !c.unsendable() {
			c.tls.sayBye()
			c.tls.flush()
		}
		c.end(CauseStopped, nil)
	}
	// OnClose callbacks may queue more; the bound keeps one that always does
	// from holding up the stop.
	for range len(conns)/tasksPerRound + roundsPerTurn {
		l.runTasks()
	}
}
