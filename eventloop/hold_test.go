// SPDX-License-Identifier: Apache-2.0

package eventloop

import "testing"

// While accepting is held, clients wait in the kernel's queue; afterwards they
// are served. A listener that is held can be closed.
func TestHoldAccept(t *testing.T) {
	r := start(t, 1)
	ln := listen(t, r, func(*Conn) Handler { return newScript() })
	connect(t, ln.Addr())
	eventually(t, "one is accepted", func() bool { return ln.Conns() == 1 })
	r.HoldAccept(true)
	for range 5 {
		connect(t, ln.Addr())
	}
	elapse(t, r.Loops()[0], 5*holdPoll)
	// The listener may have been waiting for one already.
	if n := ln.Conns(); n > 2 {
		t.Errorf("%d connections while accepting is held", n)
	}
	r.HoldAccept(false)
	eventually(t, "the others are accepted", func() bool { return ln.Conns() == 6 })
	r.HoldAccept(true)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
}
