// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/test/peer"
)

// pace is how often an attacker of TestCitizenBesideFloods sends a piece: enough
// to be cut off again and again, and little enough to leave the machine, which
// attackers and hosts share with the proxy, to those that are measured.
const pace = 2 * time.Millisecond

// One attacker after the other is cut off and comes back, for seconds in soak;
// the citizen's 99th percentile with and without them is in the log, and in soak
// bounded.
func TestCitizenBesideFloods(t *testing.T) {
	request := peer.Plain("GET", "/host")
	for _, x := range []struct {
		name string
		one  func(i int) []byte
	}{
		{"PING", always(peer.Ping())},
		{"PRIORITY", always(peer.PriorityOn(1, 3))},
		{"SETTINGS", always(peer.Settings())},
		{"rapid reset", func(i int) []byte {
			return append(peer.Headers(odd(i), request, peer.EndStream|peer.EndHeaders), peer.Reset(odd(i), http2.ErrCodeCancel)...)
		}},
		{"header bomb", func(i int) []byte {
			return peer.Block(odd(i), references("/host", "a", "", 1000), wholeFrame, peer.EndStream)
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := newWorld(t, setup{limits: hundred})
			var attackers sync.WaitGroup
			end := time.Now().Add(time.Duration(full(10_000, 300)) * time.Millisecond)
			attackers.Go(func() {
				for time.Now().Before(end) {
					a := w.open()
					closed := func() bool { return peer.Look(a, func(s *peer.Seen) bool { return s.Closed }) }
					for i := 0; !closed() && time.Now().Before(end); i += 64 {
						a.Repeat(64, stall, func(k int) []byte { return x.one(i + k) })
						time.Sleep(pace)
					}
					a.Close()
				}
			})
			attackers.Wait()
			w.slower = w.citizen.percentile()
			w.wantReleased()
		})
	}
}
