// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"errors"
	"time"

	"github.com/bytedance/gopkg/lang/fastrand"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/stats"
)

const (
	// maxPending bounds the requests of one loop that wait for a connection to
	// one host, unless max_pending_requests is stated: as many as one downstream
	// Bolt connection may have in flight.
	maxPending = 1024
	// maxConnections bounds one loop's connections to one host, unless
	// max_connections is stated, so that a
	// burst of large bodies, each of which needs its own, cannot use up all
	// descriptors.
	maxConnections = 128
	// maxBlocked is how many connections that the host does not read from are
	// followed by another one: one may be stuck by itself.
	maxBlocked = 2
	// patientFailures is how many failed dials in a row requests still wait
	// for the next one, so that a restart goes unnoticed. After that they are
	// refused until the next dial is due.
	patientFailures = 3
	// unstated stands for a limit of streams before the host has said any.
	unstated = -1
)

// backoff is the wait after the n-th failed dial in a row.
var backoff = [...]time.Duration{
	10 * time.Millisecond, 50 * time.Millisecond, 200 * time.Millisecond,
	500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second,
}

// pool is one loop's connections to one host over one protocol.
type pool struct {
	manager  *Manager
	cluster  *Cluster
	host     *Host
	protocol codec.Protocol

	conns   []*conn // those that take requests, the oldest first
	leaving int     // connections that only finish what they carry
	dialing int
	total   *word // connections of all loops to the host
	waiting queue
	streams int  // per connection, as the host last stated
	worn    bool // the last connection left at its request limit, without a successor

	failures int          // failed dials in a row
	suspect  bool         // the host stopped to answer; what connects may not mean that it does
	failure  codec.Reason // of the last of them
	dialAt   int64        // no dial before this loop time
	timer    eventloop.Timer
	retired  bool
	task     eventloop.Task
}

func newPool(m *Manager, c *Cluster, h *Host, p codec.Protocol) *pool {
	n := &pool{manager: m, cluster: c, host: h, protocol: p, streams: unstated, total: c.usage.connections(h.Address)}
	n.timer.Expire = n
	n.task.Runner = n
	return n
}

// acquire serves r from a connection, or lets it wait for one.
func (p *pool) acquire(r *Request) (codec.Stream, codec.Reason) {
	if c := p.pick(r.Exclusive); c != nil {
		return c.open(r), codec.ReasonNone
	}
	if p.refuses(p.manager.loop.Now()) {
		return nil, p.failure
	}
	if reason := p.wait(r); reason != codec.ReasonNone {
		return nil, reason
	}
	p.manager.stats.Add(stats.UpstreamPendingQueued)
	if p.worn {
		p.manager.stats.Add(stats.UpstreamPendingAtLimit)
	}
	p.dial()
	return nil, codec.ReasonNone
}

// refuses tells that the host failed often and its next dial is not due, or that
// it stopped to answer and is being tried.
func (p *pool) refuses(now int64) bool {
	if p.failures < patientFailures || p.serves() {
		return false
	}
	if p.dialing > 0 {
		return p.suspect // one request waits for the verdict; it is enough
	}
	return now < p.dialAt
}

// serves tells that a connection takes requests now. One that has been told
// goodbye, or only finishes what it carries, is no sign of a living host.
func (p *pool) serves() bool { return p.pick(false) != nil }

// pick returns the first connection with room, idle if exclusive, or nil. One
// that is reserved takes no others while exclusive requests wait.
func (p *pool) pick(exclusive bool) *conn {
	for _, c := range p.conns {
		if c.capacity() > 0 && (!exclusive || c.session.Active() == 0) && (exclusive || !c.reserved || p.waiting.exclusive == 0) {
			return c
		}
	}
	return nil
}

// wanted is the number of dials that would serve what waits: one for each
// exclusive request and one for all others.
func (p *pool) wanted() int {
	n := p.waiting.exclusive
	if p.waiting.length > n {
		n++
	}
	return n
}

// dial starts the dials that are wanted, now or when the backoff has passed.
func (p *pool) dial() {
	for p.dialing < p.wanted() && p.mayDial() {
		if !p.takeConnection() {
			p.reserve()
			return
		}
		p.startDial()
	}
}

// reserve keeps the connection with the least to do free for an exclusive request
// that waits and cannot have a connection of its own: else, under load, it would
// never find one idle.
func (p *pool) reserve() {
	var least *conn
	for _, c := range p.conns {
		if c.reserved {
			return
		}
		if least == nil || c.session.Active() < least.session.Active() {
			least = c
		}
	}
	if least != nil && p.waiting.exclusive > 0 {
		least.reserved = true
	}
}

// mayDial tells whether a dial may start now; if only time is missing, the
// timer is set.
func (p *pool) mayDial() bool {
	if p.retired || p.closedForNow() || p.waiting.exclusive <= p.dialing && p.unread() {
		return false
	}
	if wait := p.dialAt - p.manager.loop.Now(); wait > 0 {
		if p.dialing == 0 {
			p.manager.loop.Schedule(&p.timer, time.Duration(wait))
		}
		return false
	}
	return true
}

// unread tells of a host that does not read: it would not read from yet another
// connection either. Only requests that need one of their own get it.
func (p *pool) unread() bool {
	blocked := 0
	for _, c := range p.conns {
		if c.conn.Blocked() {
			blocked++
		}
	}
	return blocked >= maxBlocked
}

// closedForNow tells of a host that takes no streams, or has not said yet how
// many: it will say so on the connection that it has, and on another one it would
// not take more.
func (p *pool) closedForNow() bool {
	for _, c := range p.conns {
		_, stated := c.session.Limit()
		if c.allowed() == 0 || !stated && p.streams == unstated {
			return true
		}
	}
	return p.streams == 0 && p.dialing > 0
}

func (p *pool) startDial() {
	p.dialing++
	p.manager.loop.Dial(eventloop.DialConfig{
		Network: p.host.Network,
		Address: p.host.dialAddress(),
		Timeout: p.cluster.ConnectTimeout,
		TLS:     p.cluster.secure(p.host, p.protocol),
	}, p)
}

// OnTimer implements eventloop.Expirer: the backoff has passed.
func (p *pool) OnTimer(int64) { p.dial() }

// OnDialed implements eventloop.DialHandler.
func (p *pool) OnDialed(ec *eventloop.Conn) eventloop.Handler {
	if p.retired {
		p.dialing--
		p.total.release()
		return nil
	}
	p.manager.stats.Add(stats.UpstreamConnections)
	c := newConn(p, ec)
	if p.suspect && p.cluster.keepalive(p.protocol) != nil {
		// The kernel of a frozen host accepts connections, too. Until the host
		// itself answers, the dial is not over.
		c.trial = true
		p.manager.loop.Schedule(&c.beat, 0)
		return c
	}
	p.enter(c)
	return c
}

// enter takes a connection into service, which ends its dial.
func (p *pool) enter(c *conn) {
	p.dialing--
	p.failures, p.dialAt, p.worn, p.suspect = 0, 0, false, false
	p.conns = append(p.conns, c)
	if p.retired {
		c.drain()
	}
	p.changed()
}

// unresponsive follows a host that stopped to answer: requests go to others, and
// what connects to it from now on has to give a sign of life first.
func (p *pool) unresponsive() {
	p.suspect = true
	p.failures = max(p.failures, patientFailures)
	p.failure = codec.UpstreamUnresponsive
	p.dialAt = p.manager.loop.Now() + int64(jitter(backoff[min(p.failures, len(backoff)-1)]))
}

// OnDialFailed implements eventloop.DialHandler.
func (p *pool) OnDialFailed(err error) {
	p.total.release()
	switch {
	case errors.Is(err, eventloop.ErrHandshake):
		p.dialFailed(codec.UpstreamTLSFailed)
	case isTimeout(err):
		p.dialFailed(codec.ConnectTimeout)
	default:
		p.dialFailed(codec.ConnectFailed)
	}
}

// rejected follows a host that refused our part of the TLS handshake, which in
// TLS 1.3 is known only after ours is done.
func (p *pool) rejected() {
	p.failures++
	p.failure = codec.UpstreamTLSFailed
	p.dialAt = p.manager.loop.Now() + int64(jitter(backoff[min(p.failures, len(backoff)-1)]))
}

// dialFailed ends a dial that led to nothing. What waits fails with it, unless
// the host evidently serves: then it waits for the next one.
func (p *pool) dialFailed(reason codec.Reason) {
	p.dialing--
	now := p.manager.loop.Now()
	p.dialAt = now + int64(jitter(backoff[min(p.failures, len(backoff)-1)]))
	p.failures++
	p.failure = reason
	p.manager.stats.Add(stats.UpstreamConnectFailures)
	if p.dialing == 0 && !p.serves() {
		p.failWaiting(reason)
		return
	}
	p.dial()
}

// jitter spreads d by a quarter either way, so that loops and proxies do not
// dial a returning host in step.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(fastrand.Int63n(int64(d)/2))
}

func isTimeout(err error) bool {
	t, ok := err.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

// failWaiting ends what waits now. Waiters may ask again from within; that is
// a new wait.
func (p *pool) failWaiting(reason codec.Reason) {
	for n := p.waiting.length; n > 0 && p.waiting.first != nil; n-- {
		r := p.waiting.first
		r.Cancel()
		r.Waiter.OnNoStream(reason)
	}
}

// changed has the queue looked at after the running callback has returned.
func (p *pool) changed() {
	if p.waiting.length > 0 {
		p.manager.loop.Queue(&p.task)
	}
}

// Run implements eventloop.Runner: it serves what waits, in order. Exclusive
// requests are not held up by others, for which there may be no room because of
// them.
func (p *pool) Run() {
	full := false // there is no room for requests that share
	for r := p.waiting.first; r != nil && (!full || p.waiting.exclusive > 0); {
		next := r.next
		var c *conn
		if r.Exclusive || !full {
			c = p.pick(r.Exclusive)
		}
		switch {
		case c != nil:
			r.Cancel()
			r.Waiter.OnStream(c.open(r))
			next, full = p.waiting.first, false
		case !r.Exclusive:
			full = true
		}
		r = next
	}
	p.dial()
}

// replace dials a successor for connections that near their request limit.
func (p *pool) replace() {
	if p.dialing == 0 && p.mayDial() && p.takeConnection() {
		p.startDial()
	}
}

// leave takes c out of service; it finishes what it carries.
func (p *pool) leave(c *conn) {
	for i, other := range p.conns {
		if other == c {
			p.conns = append(p.conns[:i], p.conns[i+1:]...)
			p.leaving++
			return
		}
	}
}

// gone forgets a connection that has closed.
func (p *pool) gone(c *conn) {
	p.total.release()
	if c.trial {
		p.manager.stats.Add(stats.UpstreamConnectionsClosed)
		p.dialFailed(codec.ConnectTimeout)
		return
	}
	p.leave(c)
	p.leaving--
	p.manager.stats.Add(stats.UpstreamConnectionsClosed)
	p.changed()
}

// adopt takes the cluster of a new configuration, and what it says of the host.
func (p *pool) adopt(c *Cluster, h *Host) {
	p.host = h
	if p.cluster == c {
		return
	}
	p.cluster = c
	for _, c := range p.conns {
		c.watch()
	}
}

// retire ends the pool: nothing new, what is in flight finishes, and what waits
// goes to another host.
func (p *pool) retire() {
	p.retired = true
	p.timer.Stop()
	for len(p.conns) > 0 {
		p.conns[0].drain()
	}
	p.failWaiting(codec.UpstreamGoAway)
}
