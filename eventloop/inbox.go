// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"sync"

	"github.com/panjf2000/gnet/v2/pkg/queue"
)

// mail is what other goroutines hand to a loop.
type mail struct {
	posts  []func()
	events []watchEvent
}

// mailKept is the largest number of entries for which the emptied slices are
// kept; a rare burst beyond it gives its memory back.
const mailKept = 1024

// inbox collects mail until the loop reads it. However much arrives, the loop
// is woken once.
type inbox struct {
	mu        sync.Mutex
	mail      mail
	signalled bool // the loop will read the inbox, or is reading it
	closed    bool
	deliver   queue.Func
}

// Post runs fn on the loop, in the order of the calls; on the loop itself it
// runs fn in a later callback. Any goroutine may call it. After the reactor has
// stopped it drops fn and returns false.
func (l *Loop) Post(fn func()) bool {
	in := &l.inbox
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return false
	}
	in.mail.posts = append(in.mail.posts, fn)
	l.signal()
	return true
}

// postEvents hands readiness events to the loop.
func (l *Loop) postEvents(events []watchEvent) {
	in := &l.inbox
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return
	}
	in.mail.events = append(in.mail.events, events...)
	l.signal()
}

// signal wakes the loop. The lock is held, so that a closed inbox never
// triggers: by then the descriptor it would write to may be someone else's.
func (l *Loop) signal() {
	if l.inbox.signalled {
		return
	}
	l.inbox.signalled = true
	if err := l.poll.trigger(l.inbox.deliver); err != nil {
		l.inbox.signalled = false
		l.log.Error("the loop could not be woken", "error", err)
	}
}

func (in *inbox) close() {
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
}

// readInbox handles what has arrived. What arrives meanwhile waits for the next
// turn, so that a post that posts again does not keep the loop from its sockets.
func (l *Loop) readInbox() {
	in := &l.inbox
	in.mu.Lock()
	got := in.mail
	in.mail = l.spare
	in.mu.Unlock()

	for _, ev := range got.events {
		l.onWatch(ev)
	}
	for i, fn := range got.posts {
		got.posts[i] = nil
		l.stats.Tasks++
		l.runPost(fn)
	}
	l.spare = mail{posts: emptied(got.posts), events: emptied(got.events)}

	in.mu.Lock()
	l.inboxLeft = len(in.mail.posts)+len(in.mail.events) > 0
	in.signalled = l.inboxLeft
	in.mu.Unlock()
}

func emptied[T any](s []T) []T {
	if cap(s) > mailKept {
		return nil
	}
	return s[:0]
}

func (l *Loop) runPost(fn func()) {
	defer l.rescue("post", nil)
	fn()
}

// onWatch passes a readiness event to its connection, unless that has gone.
func (l *Loop) onWatch(ev watchEvent) {
	c := l.table.get(ev.id)
	if c == nil {
		return
	}
	defer l.rescue("drain", c)
	c.onWatch(ev.events)
}
