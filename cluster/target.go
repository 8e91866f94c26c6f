// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"net/netip"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
)

const (
	// targetLimit bounds the original destinations that one loop knows of one
	// cluster: clients choose them.
	targetLimit = 1024
	// targetIdle is how long a destination is kept that nobody asks for.
	targetIdle = time.Minute
)

// target is a host that a request's original destination names.
type target struct {
	host  *Host
	state *hostState
	used  int64 // loop time
}

// targets are the hosts of a cluster of original destinations, made on demand.
type targets struct {
	manager *Manager
	byName  map[string]*target
	timer   eventloop.Timer
}

func newTargets(m *Manager) *targets {
	t := &targets{manager: m}
	t.timer.Expire = t
	return t
}

// Original is how the cluster finds the original destination of a request; Set
// is false where hosts are chosen otherwise.
func (s *Members) Original() *config.OriginalDestination { return &s.cluster.Balancing.Original }

// Aim gives the request its destination, as "ip:port". It must be called before
// Acquire where Original is set.
func (s *Members) Aim(r *Request, address []byte) codec.Reason {
	t, reason := s.targets.find(s.cluster, address)
	r.target = t
	return reason
}

// find returns the target at an address, making it if need be.
func (ts *targets) find(c *Cluster, address []byte) (*target, codec.Reason) {
	now := ts.manager.loop.Now()
	if t := ts.byName[string(address)]; t != nil {
		t.used = now
		return t, codec.ReasonNone
	}
	at, err := netip.ParseAddrPort(string(address))
	if err != nil || at.Port() == 0 {
		return nil, codec.NoHealthyUpstream
	}
	if len(ts.byName) >= targetLimit {
		ts.sweep(now)
	}
	if len(ts.byName) >= targetLimit {
		return nil, codec.Overflow
	}
	if c.Balancing.Original.ReplaceLocal {
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	}
	text := at.String()
	t := &target{host: &Host{Network: "tcp", Address: text, Authority: []byte(text), ServerName: at.Addr().String()}, state: &hostState{usual: new(usually)}, used: now}
	if ts.byName == nil {
		ts.byName = make(map[string]*target)
	}
	ts.byName[string(address)] = t
	if len(ts.byName) == 1 {
		ts.manager.loop.Schedule(&ts.timer, targetIdle)
	}
	return t, codec.ReasonNone
}

// sweep forgets destinations that nobody has asked for lately. Their connections
// finish what they carry.
func (ts *targets) sweep(now int64) {
	for name, t := range ts.byName {
		if t.state.active == 0 && now-t.used >= int64(targetIdle) {
			delete(ts.byName, name)
			t.state.retire()
		}
	}
}

// OnTimer implements eventloop.Expirer.
func (ts *targets) OnTimer(now int64) {
	ts.sweep(now)
	if len(ts.byName) > 0 {
		ts.manager.loop.Schedule(&ts.timer, targetIdle)
	}
}

// adopt takes the cluster of a new configuration.
func (ts *targets) adopt(c *Cluster) {
	for name, t := range ts.byName {
		if !c.Balancing.Original.Set {
			delete(ts.byName, name)
			t.state.retire()
			continue
		}
		t.state.adopt(c, t.host, ts.manager.loop.Now())
	}
}

// retire ends all of them.
func (ts *targets) retire() {
	ts.timer.Stop()
	for _, t := range ts.byName {
		t.state.retire()
	}
	ts.byName = nil
}
