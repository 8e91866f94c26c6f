// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"net"
	"testing"
)

// TestCloseTakesTheBacklog: who was connected when the listener closed is served.
func TestCloseTakesTheBacklog(t *testing.T) {
	r := start(t, 2)
	accept := func(*Conn) Handler {
		s := newScript()
		s.data = echo
		return s
	}
	for range 20 {
		ln := listen(t, r, accept)
		var conns [50]net.Conn
		for i := range conns {
			conns[i] = connect(t, ln.Addr())
		}
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
		for _, c := range conns {
			write(t, c, []byte("x"))
			expect(t, c, "x")
			c.Close()
		}
	}
}
