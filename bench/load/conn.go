// SPDX-License-Identifier: Apache-2.0

package load

import (
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
)

// conn is one of the connections that were asked for: it is dialled again when
// it is lost, and knows what is due on it.
type conn struct {
	worker *worker
	number uint64 // among those of all loops
	link   *link  // nil while there is none
	spare  []request
	// arrived and taken count what was due on it and what of that was sent or
	// given up; open loop only.
	arrived, taken uint64
	settled        bool // the first dial has ended
	backoff        time.Duration
	retry          eventloop.Timer
}

const (
	// firstBackoff is the pause after a failed attempt to connect; it doubles
	// up to maxBackoff, so that a target that restarts is soon found and one
	// that is gone costs little.
	firstBackoff = 10 * time.Millisecond
	maxBackoff   = time.Second
)

var (
	_ eventloop.DialHandler = (*conn)(nil)
	_ eventloop.Expirer     = (*conn)(nil)
)

func newConn(w *worker, number int) *conn {
	c := &conn{worker: w, number: uint64(number)}
	c.retry.Expire = c
	return c
}

func (c *conn) dial() {
	network, address := c.worker.options.address()
	config := eventloop.DialConfig{Network: network, Address: address, Timeout: c.worker.options.ConnectTimeout}
	if t := c.worker.options.TLS; t != nil {
		config.TLS = &eventloop.ClientTLS{Config: t}
	}
	c.worker.loop.Dial(config, c)
}

// OnDialed implements eventloop.DialHandler.
func (c *conn) OnDialed(ec *eventloop.Conn) eventloop.Handler {
	if c.worker.halted {
		return nil
	}
	c.link = newLink(c, ec)
	c.settle()
	now := clock()
	c.worker.now = now
	c.link.fill(now)
	return c.link
}

// OnDialFailed implements eventloop.DialHandler.
func (c *conn) OnDialFailed(err error) {
	c.worker.fail(wordConnect)
	c.worker.trouble(err.Error())
	c.again()
	c.settle()
}

// settle tells that the first dial has ended.
func (c *conn) settle() {
	if !c.settled {
		c.settled = true
		c.worker.settle()
	}
}

// again dials after a pause.
func (c *conn) again() {
	if c.worker.halted {
		return
	}
	c.backoff = min(max(2*c.backoff, firstBackoff), maxBackoff)
	c.worker.loop.Schedule(&c.retry, c.backoff)
}

// OnTimer implements eventloop.Expirer: the pause is over.
func (c *conn) OnTimer(int64) {
	if !c.worker.halted {
		c.dial()
	}
}

// lost takes back a connection that is no more.
func (c *conn) lost(l *link) {
	c.link, c.spare = nil, l.requests
	if l.answered {
		c.backoff = 0
	}
	if l.reason != codec.ReasonNone {
		c.worker.trouble(troubleText(l.reason))
	}
	if l.spent() && !c.worker.halted {
		c.dial()
		return
	}
	c.again()
}

// troubleText says for people how a connection ended.
func troubleText(r codec.Reason) string {
	switch r {
	case codec.UpstreamClosed:
		return "it closes the connection"
	case codec.UpstreamProtocolError:
		return "what it sends breaks the protocol"
	}
	return r.Text()
}

// take says whether a request is to be sent now, and when it was due.
func (c *conn) take(now int64) (due int64, ok bool) {
	w := c.worker
	if !w.schedule.open() {
		return now, w.begin(now)
	}
	if c.taken == c.arrived {
		return 0, false
	}
	c.taken++
	return w.schedule.arrival(c.number, c.taken-1), true
}

// expire gives up what has waited since before t without being sent.
func (c *conn) expire(t int64) {
	for c.taken < c.arrived {
		due := c.worker.schedule.arrival(c.number, c.taken)
		if due >= t {
			return
		}
		c.taken++
		c.worker.drop(due, wordTimeout)
	}
}
