// SPDX-License-Identifier: Apache-2.0

package test

import (
	"encoding/binary"
	"math/rand"
	"os"
	"sync"
	"testing"
	"time"
)

// The soak sends seeded random calls over many connections: all versions mixed,
// ids that collide, replies out of order, late, large or not at all, one-way
// calls, clients that leave and upstream connections that are reset. Every
// content begins with a token, which says whether a reply has reached the
// request that it belongs to.

const (
	soakSeed    = 20180802
	soakConns   = 64
	soakWindow  = 32 // calls that a client has in flight
	soakIDs     = 16 // ids that it uses for them
	soakTimeout = 50 // ms, of calls that are meant to time out
)

// soakCalls is the number of calls of all clients together.
func soakCalls() int64 {
	if os.Getenv("SIDELOOP_SOAK") != "" {
		return 10_000_000
	}
	return 50_000
}

// What a call asks of the service, as the byte behind the token.
const (
	soakEcho byte = iota
	soakDelayed
	soakLate // a reply past the timeout
	soakNever
	soakOneWay
)

const soakHead = 9 // token and action

// soakContent is a content that its token determines but for its length.
func soakContent(token uint64, action byte, size int) []byte {
	b := make([]byte, soakHead+size)
	binary.BigEndian.PutUint64(b, token)
	b[8] = action
	for i := range b[soakHead:] {
		b[soakHead+i] = byte(token) + byte(i)
	}
	return b
}

func checkSoakContent(b []byte) (token uint64, ok bool) {
	if len(b) < soakHead {
		return 0, false
	}
	token = binary.BigEndian.Uint64(b)
	for i, c := range b[soakHead:] {
		if c != byte(token)+byte(i) {
			return token, false
		}
	}
	return token, true
}

func TestBoltSoak(t *testing.T) {
	s := startSoakService(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
		hosts: []string{s.listener.Addr().String()}, clusterKV: `, "max_request_per_conn": 4000000`}))
	sum := &soakSum{failed: make(map[string]int64)}
	calls := soakCalls()
	done := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() {
		const every = 20_000
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for next := int64(every); ; {
			select {
			case <-done:
				return
			case <-tick.C:
				if sum.sent.Load() > next {
					next += every
					s.kill()
				}
			}
		}
	})
	began := time.Now()
	var wg sync.WaitGroup
	for i := range soakConns {
		wg.Go(func() {
			c := &soakClient{t: t, sum: sum, address: p.address("in"),
				random: rand.New(rand.NewSource(soakSeed + int64(i))), token: uint64(i) << 40}
			c.run(calls / soakConns)
		})
	}
	wg.Wait()
	close(done)
	killer.Wait()
	took := time.Since(began)
	p.wantNothingHeld()
	t.Logf("%d calls in %v over %d connections: %d answered, failed %v, %d one-way of which %d arrived, %d cancelled, %d cut on %d connections by %d kills, "+
		"%d times an id that was in flight, %d upstream connections' ids wrapped, %d late replies dropped",
		sum.sent.Load(), took.Round(time.Millisecond), sum.connections.Load(), sum.answered.Load(), sum.failed,
		sum.oneWays.Load(), len(s.oneWays), sum.cancelled.Load(), sum.cut.Load(), sum.cuts.Load(), s.kills.Load(), sum.collisions.Load(), s.wraps.Load(),
		p.stats().Glitches("unknown_request_id"))
	s.check(t, p, sum)
}
