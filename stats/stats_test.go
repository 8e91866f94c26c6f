// SPDX-License-Identifier: Apache-2.0

package stats

import "testing"

func TestBlocksAddUp(t *testing.T) {
	var a, b, sum Block
	a.Add(DownstreamRequests)
	b.Add(DownstreamRequests)
	b.Add(UpstreamRetries)
	a.Ended(0)
	b.Ended(3)
	b.Ended(3)
	a.Glitch("ping_flood")
	b.Glitch("ping_flood")
	a.AddTo(&sum)
	b.AddTo(&sum)
	if sum.Get(DownstreamRequests) != 2 || sum.Get(UpstreamRetries) != 1 || sum.Get(UpstreamConnections) != 0 {
		t.Errorf("counters: %v", sum.words)
	}
	if sum.EndedFor(0) != 1 || sum.EndedFor(3) != 2 {
		t.Errorf("outcomes: %v", sum.ended)
	}
	if sum.Glitches("ping_flood") != 2 || sum.Glitches("other") != 0 {
		t.Errorf("glitches: %v", sum.glitches)
	}
	if a.Get(DownstreamRequests) != 1 {
		t.Error("adding up changed a block")
	}
}

func TestEveryCounterHasAName(t *testing.T) {
	seen := make(map[string]bool)
	for c := range CounterCount {
		if c.String() == "" || seen[c.String()] {
			t.Errorf("counter %d is named %q", c, c)
		}
		seen[c.String()] = true
	}
}
