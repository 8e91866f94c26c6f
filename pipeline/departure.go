// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"slices"
	"syscall"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
)

const (
	// transfersAtOnce bounds the connections that a loop parts with in one pass,
	// so that the requests of others hardly wait.
	transfersAtOnce = 64
	// freezeFirst and freezeLast bound how long a connection is not read so
	// that what is in progress on it comes to its end: the first is hardly
	// noticed, and most requests are answered within the last.
	freezeFirst = 50 * time.Millisecond
	freezeLast  = time.Second
	// thawFactor is how much longer it is served between two such attempts.
	thawFactor = 4
	// earlyMost bounds the input that goes along with a connection; one with
	// more stays.
	earlyMost = 4 << 20
)

// departure is how far a connection is on its way to another process.
type departure struct {
	stage  stage
	freeze time.Duration // of the current or next attempt
	until  int64         // loop time at which the stage may be over
}

type stage uint8

const (
	stageServed stage = iota // as if it were to stay, until the next attempt
	stageFrozen              // not read; requests in progress are answered
	stageSent                // another process decides
	stageStays               // which has refused it
)

// Transfer is a connection for another process. Whoever gets it hands it back by
// Worker.Departed, and closes FD.
type Transfer struct {
	// Listener is the name of the one that accepted the connection.
	Listener string
	// Protocol is ProtocolUnknown while its bytes have not told.
	Protocol codec.Protocol
	// Early is the input that was read and belongs to the next request.
	Early []byte
	FD    int

	connection *connection
}

// Departures is what one pass over a loop's connections has found.
type Departures struct {
	Transfers []*Transfer
	// Left counts the connections that are worth waiting for, and Total all.
	Left, Total int
}

// Depart looks for connections that another process can go on with, and asks the
// clients of those that it cannot to leave, where their protocol has a word for
// it. It is called again and again until none is left, then StopDeparting.
func (w *Worker) Depart() Departures {
	var d Departures
	w.each(nil, func(c *connection) {
		d.Total++
		if c.closed || c.shut {
			return
		}
		if c.movable() {
			d.Left++
			if p := c.depart(len(d.Transfers) < transfersAtOnce); p != nil {
				d.Transfers = append(d.Transfers, p)
			}
			return
		}
		if s, ok := c.session.(codec.PortableSession); ok && !c.draining && !s.SaysGoodbye() {
			d.Left++ // it may leave by itself; to drain it is to refuse requests
			return
		}
		c.drain()
	})
	return d
}

// StopDeparting serves connections as before that no other process has got.
func (w *Worker) StopDeparting() {
	w.each(nil, func(c *connection) {
		if d := c.departure; d != nil && d.stage == stageFrozen {
			c.departure = nil
			c.conn.Thaw()
		}
	})
}

// Departed is the verdict on a transfer: whether another process has the connection
// now. Otherwise it is served here.
func (w *Worker) Departed(p *Transfer, moved bool) {
	c := p.connection
	if c.closed || c.departure == nil {
		return // its peer has left meanwhile
	}
	if moved {
		c.departure = nil
		c.conn.Moved()
		return
	}
	c.departure.stage = stageStays
	c.active = w.loop.Now()
	w.loop.Schedule(&c.timer, c.chain.IdleTimeout)
	if c.tickAt = 0; c.session != nil {
		c.TickIn(0)
	} else {
		c.TickIn(c.chain.DetectTime)
	}
	c.conn.Thaw()
}

// movable tells whether another process could go on with the connection, if not
// now then later.
func (c *connection) movable() bool {
	if c.draining || !c.conn.Movable() || c.departure != nil && c.departure.stage == stageStays {
		return false
	}
	_, portable := c.session.(codec.PortableSession)
	return portable || c.session == nil
}

// depart takes the connection one stage further. It returns a transfer when it is
// time to, and may.
func (c *connection) depart(may bool) *Transfer {
	now := c.worker.loop.Now()
	d := c.departure
	if d == nil {
		d = &departure{freeze: freezeFirst}
		c.departure = d
	}
	switch d.stage {
	case stageServed:
		if s, ok := c.session.(codec.PortableSession); now >= d.until && (!ok || s.Interruptible()) {
			c.conn.Freeze()
			d.stage, d.until = stageFrozen, now+int64(d.freeze)
		}
	case stageFrozen:
		if p := c.transfer(may); p != nil {
			d.stage = stageSent
			c.timer.Stop()
			return p
		}
		if now >= d.until {
			c.conn.Thaw()
			d.stage, d.until = stageServed, now+thawFactor*int64(d.freeze)
			d.freeze = min(2*d.freeze, freezeLast)
		}
	case stageSent, stageStays:
	}
	return nil
}

// transfer is the connection for another process, nil unless nothing is in progress
// on it.
func (c *connection) transfer(may bool) *Transfer {
	if !may || !c.conn.Still() {
		return nil
	}
	var early []byte
	if c.rare != nil {
		early = c.rare.prefix
	}
	if s, ok := c.session.(codec.PortableSession); ok {
		if early, ok = s.Partial(); !ok {
			return nil
		}
	}
	if early = slices.Concat(early, c.conn.Kept()); len(early) > earlyMost {
		return nil
	}
	fd, err := c.conn.Duplicate()
	if err != nil {
		return nil // out of descriptors; perhaps there is one later
	}
	return &Transfer{Listener: c.chain.Listener, Protocol: c.protocol, Early: early, FD: fd, connection: c}
}

// away tells that another process may have the connection, so that nothing may be
// done to its socket here.
func (c *connection) away() bool { return c.departure != nil && c.departure.stage == stageSent }

// Close gives the descriptor back.
func (p *Transfer) Close() { _ = syscall.Close(p.FD) }

// Arrive binds a connection that another process has accepted. protocol is what
// that one knew of it.
func (w *Worker) Arrive(c *eventloop.Conn, chain *Chain, protocol codec.Protocol) eventloop.Handler {
	return newConnection(w, c, chain, chain.server(protocol))
}

// Serves tells whether connections of a protocol are served.
func (c *Chain) Serves(p codec.Protocol) bool {
	return p == codec.ProtocolUnknown || c.server(p) != nil
}

// server is how to serve a protocol, nil where it is not or is to be found out.
func (c *Chain) server(p codec.Protocol) *Server {
	for i := range c.Servers {
		if c.Servers[i].Protocol == p {
			return &c.Servers[i]
		}
	}
	return nil
}
