// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"strings"
	"testing"

	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
)

// otherConn is a connection of a gnet that is built differently.
type otherConn struct {
	gnet.Conn
	loop gnet.EventLoop
}

func (c otherConn) EventLoop() gnet.EventLoop { return c.loop }
func (c otherConn) Fd() int                   { return 0 }

type loopWithoutPoller struct{ gnet.EventLoop }

type loopWithOtherPoller struct {
	gnet.EventLoop
	poller *int
}

type loopWithPoller struct {
	gnet.EventLoop
	poller *netpoll.Poller
}

// TestOtherGnetIsRefused: what start looks for and does not find is named.
func TestOtherGnetIsRefused(t *testing.T) {
	p, err := netpoll.OpenPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for name, c := range map[string]struct {
		loop gnet.EventLoop
		want string
	}{
		"no poller":         {&loopWithoutPoller{}, "no field poller"},
		"another type":      {&loopWithOtherPoller{poller: new(int)}, "no field poller"},
		"nil poller":        {&loopWithPoller{}, "no field poller"},
		"not a struct":      {nil, "not a struct"},
		"unregistered conn": {&loopWithPoller{poller: p}, "does not watch the loop's connections"},
	} {
		_, err := openPoller(otherConn{loop: c.loop})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "not supported") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A connection's fields are looked for, too.
func TestOtherConnIsRefused(t *testing.T) {
	type address interface{ Network() string }
	for want, c := range map[string]gnet.Conn{
		"not a pointer":    otherConn{},
		"no field remote ": &otherConn{},
		"no field localAddr": &struct {
			gnet.Conn
			remote    address
			localAddr int
		}{},
	} {
		err := new(poller).findAddresses(c)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{Loops: -1}, {Loops: LoopsMax + 1}, {ReadBuffer: -1}, {ReadBuffer: 100}, {ReadBuffer: 1 << 30}} {
		if r, err := Start(o); err == nil {
			stop(t, r)
			t.Errorf("%+v was accepted", o)
		}
	}
	r, err := Start(Options{ReadBuffer: 1 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, r)
	if len(r.Loops()) != 1 {
		t.Errorf("%d loops by default", len(r.Loops()))
	}
	longest := 0
	s := newScript()
	s.data = func(c *Conn, b []byte) int { longest = max(longest, len(b)); return echo(c, b) }
	c, conn := open(t, r, s)
	write(t, c, make([]byte, 5000))
	expect(t, c, string(make([]byte, 5000)))
	if n := onLoop(t, conn.Loop(), func() int { return longest }); n != 1<<10 {
		t.Errorf("reads of up to %d bytes, want 1 KiB", n)
	}
}
