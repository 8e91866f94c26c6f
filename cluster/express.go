// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// Express is the one try of a request that travels as a codec.Parcel: it asks for
// any host, waits for nothing and is not tried again. Members.Express fills it in.
type Express struct {
	members *Members
	state   *hostState // of host
	host    *Host
	conn    *conn
	began   int64 // loop time
	counted bool  // in the cluster's requests in flight
}

// plain are requests that ask for nothing but a protocol, for policies to look at.
var plain = func() (r [codec.ProtocolCount]Request) {
	for p := range r {
		r[p].Protocol = codec.Protocol(p)
	}
	return r
}()

// Express chooses a host as Acquire would for a first try without criteria, and
// returns a session of it on which Send must follow at once; nil where there is
// none with room. Then nothing has happened, but that the Acquire which follows
// for the same request goes to the host that was chosen.
func (s *Members) Express(x *Express, p codec.Protocol) codec.ParcelClient {
	if s.left || s.cluster.Balancing.Original.Set || len(s.states) == 0 {
		return nil
	}
	c := s.choice(nil)
	if c == nil {
		return nil
	}
	now := s.manager.loop.Now()
	v := &s.view // in place: a copy of what was just written waits for it
	v.members, v.request, v.avoid, v.now = s, &plain[p], nil, now
	i := c.choose(v)
	if i < 0 {
		return nil
	}
	state := s.states[i]
	conn := state.parcels(p)
	limit := s.cluster.Limits.Requests
	if conn == nil || limit > 0 && !s.cluster.usage.requests.take(limit) {
		s.chosen, s.chosenAt = i+1, now
		return nil
	}
	s.budget.pay(&s.cluster.Limits.Budget, now)
	state.active++
	x.members, x.state, x.counted, x.began = s, state, limit > 0, now
	x.host, x.conn = s.cluster.Hosts[i], conn
	conn.count()
	return conn.parcels
}

// parcels is a connection of the host that takes a parcel now, nil where there is
// none.
func (s *hostState) parcels(p codec.Protocol) *conn {
	pool := s.pools[p]
	if pool == nil || pool.retired {
		return nil
	}
	if c := pool.pick(false); c != nil && c.parcels != nil {
		return c
	}
	return nil
}

// Members is the cluster of the host that was chosen.
func (x *Express) Members() *Members { return x.members }

// Began is the loop time at which the host was chosen.
func (x *Express) Began() int64 { return x.began }

// End ends the try with a whole reply that says this of its host.
func (x *Express) End(o Outcome) {
	s := x.members
	now := s.manager.loop.Now()
	if x.counted {
		s.cluster.usage.requests.release()
	}
	x.state.active--
	if s.cluster.Balancing.Measures() {
		x.state.judge(o, false, now-x.began, now)
	}
	s.tried(x.host, x.state, o, time.Duration(now-x.began))
}

// Leave has x, which is over, refer to nothing any more.
func (x *Express) Leave() { x.members, x.state, x.host, x.conn = nil, nil, nil, nil }

// Session is where the request went.
func (x *Express) Session() codec.ParcelClient { return x.conn.parcels }

// Host is the host that was chosen.
func (x *Express) Host() *Host { return x.host }

// Connection is that of a Request.
func (x *Express) Connection() (local net.Addr, number uint64) {
	return x.conn.conn.LocalAddr(), x.conn.number
}

// Resume makes the try of x that of r, which asked for nothing yet.
func (r *Request) Resume(x *Express) {
	r.try = try{members: x.members, state: x.state, counted: x.counted, began: x.began}
	r.host, r.conn = x.host, x.conn
}
