// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"context"
	"net"
	"testing"
)

func TestEcho(t *testing.T) {
	r := start(t, 2)
	s := newScript()
	s.data = echo
	ln := listen(t, r, func(*Conn) Handler { return s })
	c := connect(t, ln.Addr())
	for _, m := range []string{"a", "frame", "another frame"} {
		write(t, c, []byte(m))
		expect(t, c, m)
	}
	c.(*net.TCPConn).CloseWrite()
	expectEOF(t, c)
	if cause := receive(t, s.ended, "OnClose"); cause != CausePeerClosed {
		t.Fatalf("cause %v", cause)
	}
}

func TestStopEndsEverything(t *testing.T) {
	r := start(t, 2)
	s := newScript()
	accept, conns := one(s)
	ln := listen(t, r, accept)
	c := connect(t, ln.Addr())
	receive(t, conns, "the connection")
	stop(t, r)
	if cause := receive(t, s.ended, "OnClose"); cause != CauseStopped {
		t.Fatalf("cause %v", cause)
	}
	expectEOF(t, c)
	if r.Loops()[0].Post(func() {}) {
		t.Fatal("a stopped loop took a post")
	}
	if _, err := r.Listen(ListenConfig{Network: "tcp", Address: "127.0.0.1:0", Accept: accept}); err == nil {
		t.Fatal("a stopped reactor listens")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Fatalf("a second Stop: %v", err)
	}
}
