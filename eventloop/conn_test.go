// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"bytes"
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// relay echoes with backpressure: it stops reading while its own output is
// blocked.
type relay struct {
	*script
	buffered int // the most it saw
}

func (r *relay) OnData(c *Conn, b []byte) int {
	if len(b) > throughMin {
		c.WriteThrough(b)
	} else {
		copy(c.Extend(len(b)), b)
	}
	r.buffered = max(r.buffered, c.Buffered())
	if c.Blocked() {
		c.PauseRead()
	}
	return len(b)
}

func (r *relay) OnWritable(c *Conn) { c.ResumeRead() }

// TestBulkBothWays sends 16 MiB through an echo and back, over TCP and over a
// Unix socket, while the client reads and writes at once.
func TestBulkBothWays(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			r := start(t, 1)
			h := &relay{script: newScript()}
			address := "127.0.0.1:0"
			if network == "unix" {
				address = socketPath(t)
			}
			ln, err := r.Listen(ListenConfig{Network: network, Address: address, Accept: func(*Conn) Handler { return h }})
			if err != nil {
				t.Fatal(err)
			}
			c := connect(t, ln.Addr())
			want := pattern(16 << 20)
			go func() {
				c.Write(want)
				c.(interface{ CloseWrite() error }).CloseWrite()
			}()
			got, err := io.ReadAll(c)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%d bytes came back, not the %d sent", len(got), len(want))
			}
			if cause := receive(t, h.ended, "OnClose"); cause != CausePeerClosed {
				t.Fatalf("cause %v", cause)
			}
			if limit := HighWatermark + 2*ReadBuffer; h.buffered > limit {
				t.Fatalf("%d bytes were held, want at most %d", h.buffered, limit)
			}
		})
	}
}

// fanIn forwards every 8-byte frame to one of its upstreams.
type fanIn struct {
	*script
	upstreams []*Conn
}

func (f *fanIn) OnData(_ *Conn, b []byte) int {
	for i := 0; i+8 <= len(b); i += 8 {
		f.upstreams[int(b[i])%len(f.upstreams)].Append(b[i : i+8])
	}
	return len(b)
}

// TestFramesOfATurnAreWrittenTogether: 100 frames from 10 connections, ready in
// one batch, reach 2 upstream connections with one write each.
func TestFramesOfATurnAreWrittenTogether(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	f := &fanIn{script: newScript()}
	accept, upstreams := one(newScript())
	up := listen(t, r, accept)
	down := listen(t, r, func(*Conn) Handler { return f })
	peers := []net.Conn{connect(t, up.Addr()), connect(t, up.Addr())}
	for range peers {
		conn := receive(t, upstreams, "an upstream connection")
		onLoop(t, l, func() any { f.upstreams = append(f.upstreams, conn); return nil })
	}
	clients := make([]net.Conn, 10)
	for i := range clients {
		clients[i] = connect(t, down.Addr())
	}
	eventually(t, "all connections are open", func() bool { return onLoop(t, l, l.Stats).Conns == 12 })

	before := onLoop(t, l, l.Stats)
	release := hold(t, l)
	for i, c := range clients {
		for frame := range 10 {
			write(t, c, bytes.Repeat([]byte{byte(i + frame)}, 8))
		}
	}
	release()
	for _, peer := range peers {
		if _, err := io.ReadFull(peer, make([]byte, 50*8)); err != nil {
			t.Fatal(err)
		}
	}
	after := onLoop(t, l, l.Stats)
	if n := after.Writes - before.Writes; n != 2 {
		t.Errorf("%d writes, want 2", n)
	}
	if n := after.Reads - before.Reads; n != 10 {
		t.Errorf("%d reads, want 10", n)
	}
}

// TestLoneRequestsFlushAtOnce: one request at a time takes one turn each, one
// write, and at most two looks: whether others are ready, and for the next.
func TestLoneRequestsFlushAtOnce(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	s := newScript()
	s.data = echo
	c := connect(t, listen(t, r, func(*Conn) Handler { return s }).Addr())
	const requests = 400
	for range requests {
		write(t, c, []byte("ping"))
		expect(t, c, "ping")
	}
	if s := onLoop(t, l, l.Stats); s.Writes != requests || s.Looks > 2*requests+requests/4 {
		t.Fatalf("%d requests: %d writes, %d looks", requests, s.Writes, s.Looks)
	}
}

// TestStaleConnReachesNobody writes to connections that have ended while others
// are opened, which get the same descriptors.
func TestStaleConnReachesNobody(t *testing.T) {
	r := start(t, 1)
	l := r.Loops()[0]
	s := newScript()
	s.data = echo
	accept, conns := one(s)
	ln := listen(t, r, accept)
	var stale []*Conn
	descriptors := map[int]int{}
	junk := bytes.Repeat([]byte("junk"), throughMin)
	for range 100 {
		c := connect(t, ln.Addr())
		conn := receive(t, conns, "a connection")
		descriptors[onLoop(t, l, func() int { return conn.fd })]++
		onLoop(t, l, func() any {
			for _, old := range stale {
				old.Append(junk[:100])
				copy(old.Extend(100), junk)
				old.WriteThrough(junk)
				old.PauseRead()
				old.ResumeRead()
				old.Close()
				old.Abort()
				if old.Buffered() != 0 || old.Blocked() || !old.Closed() {
					t.Error("a connection that ended holds something")
				}
			}
			return nil
		})
		write(t, c, []byte("mine"))
		expect(t, c, "mine")
		c.Close()
		receive(t, s.ended, "OnClose")
		stale = append(stale, conn)
	}
	if len(descriptors) > 50 {
		t.Fatalf("%d descriptors for 100 connections: none was used twice, so nothing was tested", len(descriptors))
	}
	if n := onLoop(t, l, l.Stats).Conns; n != 0 || l.Conns() != 0 {
		t.Fatalf("%d connections are still counted", n)
	}
}

func TestConnAddresses(t *testing.T) {
	r := start(t, 1)
	accept, conns := one(newScript())
	ln, err := r.Listen(ListenConfig{Network: "tcp4", Address: "0.0.0.0:0", Accept: accept})
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: ln.Addr().(*net.TCPAddr).Port})
	conn := receive(t, conns, "the connection")
	if got, want := conn.LocalAddr().String(), c.RemoteAddr().String(); got != want {
		t.Errorf("local address %s, want %s", got, want)
	}
	if got, want := conn.RemoteAddr().String(), c.LocalAddr().String(); got != want {
		t.Errorf("remote address %s, want %s", got, want)
	}
	fd := onLoop(t, conn.Loop(), func() int { return conn.fd })
	for _, option := range []struct{ level, name, want int }{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
	} {
		if got, err := unix.GetsockoptInt(fd, option.level, option.name); err != nil || got != option.want {
			t.Errorf("socket option %d is %d (%v), want %d", option.name, got, err, option.want)
		}
	}
	c.Close()
	eventually(t, "the connection is gone", func() bool { return ln.Conns() == 0 })
	if conn.RemoteAddr() == nil || conn.LocalAddr() == nil {
		t.Error("the addresses went with the connection")
	}
}

// TestZoneStaysOutOfGnet: gnet would recycle the bytes of a zone's name.
func TestZoneStaysOutOfGnet(t *testing.T) {
	a := &net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 80, Zone: "eth0"}
	kept := detachAddr(a)
	if a.Zone != "" || kept.String() != "[fe80::1%eth0]:80" {
		t.Fatalf("gnet sees %v, we keep %v", a, kept)
	}
	plain := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 80}
	if detachAddr(plain) != net.Addr(plain) {
		t.Fatal("an address without a zone was copied")
	}
	u := &net.UnixAddr{Name: "/run/s", Net: "unix"}
	kept = detachAddr(u)
	u.Name = "renamed"
	if kept.String() != "/run/s" {
		t.Fatalf("kept %v", kept)
	}
}
