// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/stats"
	"github.com/sideloop/sideloop/test/peer"
)

// drained is a client that asks on and on until it is told goodbye, and in the
// same breath asks once more.
type drained struct {
	*peer.Client
	asked int
}

func (d *drained) toldGoodbye() bool {
	return peer.Look(d.Client, func(s *peer.Seen) bool { return len(s.GoAways) > 0 || s.Closed })
}

func (d *drained) ask() {
	const pipelined = 8
	for goodbye := false; !goodbye; d.asked++ {
		goodbye = d.toldGoodbye()
		d.Send(peer.Headers(odd(d.asked), peer.Plain("GET", "/10"), peer.EndStream|peer.EndHeaders))
		for d.asked >= pipelined && !goodbye && !peer.Look(d.Client, func(s *peer.Seen) bool { return s.Ended[odd(d.asked-pipelined)] }) {
			time.Sleep(time.Millisecond)
			goodbye = d.toldGoodbye()
		}
	}
	// The answer to the PING that follows the first GOAWAY.
	d.Send(peer.Frame(http2.FramePing, http2.FlagPingAck, 0, []byte("sideloop")))
}

// failed tells what was lost.
func (d *drained) failed() string {
	return peer.Look(d.Client, func(s *peer.Seen) string {
		if n := len(s.GoAways); n != 2 || s.GoAways[0].LastStreamID != 1<<31-1 || s.GoAways[1].LastStreamID != odd(d.asked-1) {
			return fmt.Sprintf("GOAWAY %v after %d requests", s.GoAways, d.asked)
		}
		for i := range d.asked {
			if id := odd(i); !s.Ended[id] || s.Statuses[id] != "200" {
				return fmt.Sprintf("stream %d of %d: status %q", id, odd(d.asked-1), s.Statuses[id])
			}
		}
		return ""
	})
}

// A drain loses no request, whatever is under way: clients go on asking until
// they are told to stop, and all that they asked is answered.
func TestR27DrainRace(t *testing.T) {
	const clients = 50
	for round := range full(20, 1) {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			w := newWorld(t, setup{limits: `"drain_timeout": "20s"`})
			var all [clients]drained
			var asking sync.WaitGroup
			for i := range all {
				all[i].Client = w.open()
				asking.Go(all[i].ask)
			}
			w.eventually("all have begun", func() bool { return w.stats().Get(stats.DownstreamRequests) > 20*clients })
			w.citizen.end()
			ctx, cancel := context.WithTimeout(context.Background(), peer.Patience)
			defer cancel()
			w.proxy.Drain(ctx)
			asking.Wait()
			total := 0
			for i := range all {
				all[i].WantClosed(int(http2.ErrCodeNo))
				if what := all[i].failed(); what != "" {
					t.Errorf("client %d: %s", i, what)
				}
				total += all[i].asked
			}
			t.Logf("%d connections were drained with %d requests", clients, total)
		})
	}
}
