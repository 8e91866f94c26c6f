// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// leavers is how the callers of one kind fared while their proxy ended.
type leavers struct {
	served, refused atomic.Int64 // answered; not connected any more
	late            atomic.Int64 // written when the proxy had closed a quiet connection
}

// callUntilGone calls by HTTP/2 until the proxy takes no connection any more.
// Whatever else goes wrong is an error.
func (d *leavers) callUntilGone(t *testing.T, address string, k int) {
	c := newH2Client(t)
	for i := 0; ; i++ {
		b := fmt.Appendf(nil, "call %d of %d", i, k)
		r, err := tryH2(c, address, b, true, http.Header{"Service": {service}})
		switch {
		case errors.Is(err, syscall.ECONNREFUSED):
			d.refused.Add(1)
			return
		case err != nil:
			t.Errorf("HTTP/2: call %d: %v", i, err)
			return
		case r.status != 200 || !bytes.Equal(r.body, b):
			t.Errorf("HTTP/2: call %d: status %d, %q", i, r.status, r.body)
			return
		}
		d.served.Add(1)
	}
}

// boltUntilGone calls by Bolt, one call at a time. A client that understands GoAway
// asks nothing more on a connection that got one.
func (d *leavers) boltUntilGone(t *testing.T, address string, k int, understands bool) {
	for i := 0; ; {
		c, err := net.Dial("tcp", address)
		if err != nil {
			if !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("Bolt: %v", err)
			}
			d.refused.Add(1)
			return
		}
		r := newReader(c)
		for leaving := false; !leaving; i++ {
			f := newBoltRequest(service, fmt.Appendf(nil, "call %d of %d", i, k))
			f.id = uint32(i + 1)
			_, err := c.Write(f.encode())
			var g boltFrame
			for err == nil && g.id != f.id {
				if g, err = readBolt(r); err == nil && g.command == 100 {
					leaving, g.id = understands, 0
				}
			}
			if err != nil {
				d.late.Add(1)
				break
			}
			if g.status != 0 || !bytes.Equal(g.content, f.content) {
				t.Errorf("Bolt: call %d: status %d, %q", i, g.status, g.content)
			}
			d.served.Add(1)
		}
		c.Close()
	}
}

// SIGTERM under load: clients of HTTP/2, and those of Bolt that understand GoAway,
// lose nothing. Other clients of Bolt lose only what they write on a connection that
// the proxy has closed while it was quiet, and of that nothing has reached the host.
func TestTerminateUnderLoad(t *testing.T) {
	const callers = 8 // of each kind
	rounds := scale(1)
	var lost int64
	for range rounds {
		var asked atomic.Int64
		up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame { asked.Add(1); return echoBolt(f) }).address()
		told, untold, h2 := freeAddress(t), freeAddress(t), freeAddress(t)
		text := configOf(
			hop{name: "told", listen: told, down: "SofaRpc", up: "SofaRpc", hosts: []string{up}},
			hop{name: "untold", listen: untold, down: "SofaRpc", up: "SofaRpc", hosts: []string{up}},
			hop{name: "h", listen: h2, down: "Http2", up: "SofaRpc", hosts: []string{up}},
		)
		// The first of the listeners says GoAway.
		text = strings.Replace(text, `"downstream_protocol"`, `"extend_config": {"bolt": {"enable_bolt_goaway": true}}, "downstream_protocol"`, 1)
		text = strings.Replace(text, `"ERROR"`, `"WARN"`, 1)
		p := startProcess(t, h2, "-c", writeConfig(t, text), "--drain-time", "15s")
		var kinds [3]leavers
		var wg sync.WaitGroup
		for k := range callers {
			wg.Go(func() { kinds[0].callUntilGone(t, h2, k) })
			wg.Go(func() { kinds[1].boltUntilGone(t, told, k, true) })
			wg.Go(func() { kinds[2].boltUntilGone(t, untold, k, false) })
		}
		for i := range kinds {
			reaches(t, "calls are answered", &kinds[i].served, 20*callers)
		}
		p.signal(syscall.SIGTERM)
		p.wantEnd() // with 0
		wg.Wait()
		var served int64
		for i := range kinds {
			served += kinds[i].served.Load()
		}
		if n := kinds[1].late.Load(); n > 0 {
			t.Errorf("%d calls of clients that understand GoAway were lost", n)
		}
		if n := kinds[2].late.Load(); n > callers {
			t.Errorf("%d calls of %d other clients were lost", n, callers)
		}
		lost += kinds[2].late.Load()
		if n := asked.Load(); n != served {
			t.Errorf("the host was asked %d times, %d calls were answered", n, served)
		}
		if strings.Contains(p.out.String(), "drain: its time is over") {
			t.Errorf("the drain took all of its time: %s", p.out)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d rounds; %d of %d clients without GoAway wrote on a closed connection", rounds, lost, rounds*callers)
}
