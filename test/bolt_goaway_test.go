// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// A client that is told to leave loses nothing: requests that cross the GoAway
// are served, and only then does the connection end. Without the setting it is
// not told.
func TestBoltGoAway(t *testing.T) {
	for _, enabled := range []bool{false, true} {
		var asked atomic.Int64
		release := make(chan struct{})
		up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
			if asked.Add(1) == 1 {
				<-release
			}
			return echoBolt(f)
		})
		text := configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}})
		if enabled {
			text = strings.Replace(text, `"downstream_protocol"`, `"extend_config": {"bolt": {"enable_bolt_goaway": true}}, "downstream_protocol"`, 1)
		}
		p := startProxy(t, text)
		c := dial(t, p.address("in"))
		r := newReader(c)
		f := newBoltRequest(service, []byte("first"))
		f.id = 1
		c.Write(f.encode())
		eventually(t, "it is in flight", func() bool { return asked.Load() == 1 })
		var drain sync.WaitGroup
		drain.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
			defer cancel()
			p.Drain(ctx)
		})
		want := []uint32{1}
		if enabled {
			if g, err := readBolt(r); err != nil || g.kind != kindRequest || g.command != 100 || len(g.content) != 0 {
				t.Errorf("got %+v, %v; want GoAway", g, err)
			}
			f.id = 2
			c.Write(f.encode())
			want = []uint32{2, 1}
		}
		for i, id := range want {
			if i == len(want)-1 {
				close(release)
			}
			if g, err := readBolt(r); err != nil || g.id != id || g.status != 0 {
				t.Errorf("got %+v, %v; want the reply to %d", g, err, id)
			}
		}
		if g, err := readBolt(r); err == nil {
			t.Errorf("after the last reply: %+v", g)
		}
		c.Close()
		drain.Wait()
		p.wantOK(len(want))
	}
}
