// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"math"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// hostState is what one loop knows of one host of one cluster. It lives as long
// as the host is in the cluster, whatever else changes there.
type hostState struct {
	pools  [codec.ProtocolCount]*pool // made on first use
	active int                        // tries in progress, those waiting for a connection among them

	// since is the loop time from which slow start counts; 0 is long ago.
	since int64
	down  bool // when the cluster was last adopted

	latency        fading
	client, server fading   // parts of the requests that ended with an error
	usual          *usually // of the cluster's hosts

	// Tries that have ended, those of them that failed, and how long they took
	// together, in nanoseconds.
	tried, failed, spent uint64

	tally *Tally // nil where hosts are not judged by their requests
}

// usually is what is usual among the hosts of a cluster, for those of which
// nothing is known yet.
type usually struct{ latency float64 }

const (
	// fadeTime is how long it takes a value that nothing confirms to fade to a
	// third: long enough to see a host through a pause, short enough that it
	// gets another chance soon. It is Finagle's.
	fadeTime = 10 * time.Second
	// errorStep is how much one request counts in the rate of errors: about
	// the last 16 matter.
	errorStep = 1.0 / 16
	// usualStep is how much one reply counts in what is usual.
	usualStep = 1.0 / 64
)

// fading is an average of values that fade as time passes.
type fading struct {
	value float64
	at    int64 // loop time of the latest one
}

// now is the value at loop time t.
func (f *fading) now(t int64) float64 {
	if f.value == 0 || t <= f.at {
		return f.value
	}
	return f.value * math.Exp(-float64(t-f.at)/float64(fadeTime))
}

// peak takes x in. A value above the average counts at once, one below it bit by
// bit: a host that turns slow is noticed by the first reply that says so.
func (f *fading) peak(x float64, t int64) {
	if x >= f.value {
		f.value, f.at = x, t
		return
	}
	if t <= f.at {
		return
	}
	old := math.Exp(-float64(t-f.at) / float64(fadeTime))
	f.value, f.at = f.value*old+x*(1-old), t
}

// rate takes in whether something happened.
func (f *fading) rate(happened bool, t int64) {
	if f.value == 0 && !happened {
		return
	}
	x := 0.0
	if happened {
		x = 1
	}
	v := f.now(t)
	f.value, f.at = v+(x-v)*errorStep, t
}

// judge notes how a try ended after this long, at loop time now; refused is a
// reply of the 4xx kind.
func (s *hostState) judge(o Outcome, refused bool, took, now int64) {
	if o == Unjudged {
		return
	}
	if o != Broken && o != ConnectFailure {
		s.took(float64(took), now)
	}
	s.client.rate(refused, now)
	s.server.rate(o > Succeeded, now)
}

// took notes how long a reply took, or was waited for in vain.
func (s *hostState) took(x float64, now int64) {
	s.latency.peak(x, now)
	if s.usual.latency == 0 {
		s.usual.latency = x
	}
	s.usual.latency += (x - s.usual.latency) * usualStep
}

// expected is how long a reply takes, in nanoseconds.
func (s *hostState) expected(now int64) float64 {
	if s.latency.at == 0 {
		return s.usual.latency
	}
	return s.latency.now(now)
}

// connections is the number of connections that are open or being made.
func (s *hostState) connections() int {
	n := 0
	for _, p := range s.pools {
		if p != nil {
			n += len(p.conns) + p.leaving + p.dialing
		}
	}
	return n
}

// refuses tells that no request of this protocol would get a connection now.
func (s *hostState) refuses(p codec.Protocol, now int64) bool {
	found := s.pools[p]
	return found != nil && found.refuses(now)
}

// adopt takes the cluster of a new configuration, in which the host is h.
func (s *hostState) adopt(c *Cluster, h *Host, now int64) {
	if s.down && h.Down == 0 {
		s.since = now
	}
	s.down = h.Down != 0
	for i, p := range s.pools {
		switch {
		case p == nil || p.retired:
		case p.cluster.transport(p.host) != c.transport(h):
			// Neither its connections nor its failures say anything of those
			// that are secured as they should be.
			s.pools[i] = nil
			p.retire()
		default:
			p.adopt(c, h)
		}
	}
}

// retire ends the host: nothing new, what is in flight finishes.
func (s *hostState) retire() {
	for _, p := range s.pools {
		if p != nil && !p.retired {
			p.retire()
		}
	}
}
