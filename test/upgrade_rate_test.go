// SPDX-License-Identifier: Apache-2.0

package test

import (
	"os"
	"testing"
	"time"

	"github.com/sideloop/sideloop/bench/load"
	"github.com/sideloop/sideloop/test/traffic"
)

// Upgrades under requests at a constant rate, half of them of Bolt on connections
// that move, half of HTTP/2 on connections that are told to leave: none fails.
func TestUpgradesAtARate(t *testing.T) {
	upgrades, rate := 2, 200.0
	if os.Getenv("SIDELOOP_SOAK") != "" {
		upgrades, rate = 20, 5000
	}
	bolt, h2 := upgradeHops(t)
	l := startLineage(t, configOf(bolt, h2))
	o := load.Options{Connections: 20, InFlight: 100, Body: 200, Rate: rate / 2}
	ofBolt, ofH2 := o, o
	ofBolt.Target, ofBolt.Protocol, ofBolt.Service = bolt.listen, load.Bolt, service
	ofH2.Target, ofH2.Protocol = h2.listen, load.HTTP2
	before := l.idleDescriptors()
	results := traffic.During(t, func() {
		for range upgrades {
			old := l.current()
			l.upgrade()
			l.wantGone(old)
		}
	}, ofBolt, ofH2)
	for _, r := range results {
		t.Logf("%d upgrades; %s: %d requests in %.1f s, p50 %v, p99 %v, max %v", upgrades, r.Command.Protocol, r.Requests, r.Elapsed,
			time.Duration(r.Latency.At(50)), time.Duration(r.Latency.At(99)), time.Duration(r.Latency.Max()))
		if len(r.Errors) > 0 {
			t.Errorf("%s: %v", r.Command.Protocol, r.Errors)
		}
	}
	const hosts = 4 // connections to them come and go
	if now := l.idleDescriptors(); now > before+hosts {
		t.Errorf("%d descriptors after %d upgrades, %d before", now, upgrades, before)
	}
}
