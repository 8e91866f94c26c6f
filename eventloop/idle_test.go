// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"net"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// idleBytes is what an idle connection may keep of this package and of gnet:
// their objects are some 660 bytes, and tables grow by doubling.
const idleBytes = 800

// TestIdleConnectionIsSmall counts what is left of the heap's growth over many
// connections, whose clients are bare descriptors.
func TestIdleConnectionIsSmall(t *testing.T) {
	const conns, batch = 1000, 20
	r := start(t, 1)
	ln := listen(t, r, func(*Conn) Handler { return idler{} })
	l := r.Loops()[0]
	to := &unix.SockaddrInet4{Port: ln.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	fds := make([]int, 0, 2*conns)
	t.Cleanup(func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	})
	opened := 0
	open := func(n int) {
		for i := range n {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			fds = append(fds, fd)
			if err := unix.Connect(fd, to); err != nil {
				t.Fatal(err)
			}
			if opened++; i%batch == batch-1 { // goroutines of enrolment are reused
				eventually(t, "all are open", func() bool { return onLoop(t, l, func() bool { return int(l.stats.Conns) == opened }) })
			}
		}
	}
	open(conns / 4) // what grows once
	before := liveHeap()
	open(conns)
	each := (liveHeap() - before) / conns
	t.Logf("%d bytes per connection", each)
	if each > idleBytes {
		t.Fatalf("%d bytes per connection, want at most %d", each, idleBytes)
	}
	onLoop(t, l, func() any {
		all := l.table.all()
		first, last := all[0], all[len(all)-1]
		if first.local != last.local {
			t.Error("connections of a listener have a local address each")
		}
		if first.remote == nil || first.remote == last.remote || first.gc.RemoteAddr() != nil {
			t.Error("a connection's remote address is not its own alone")
		}
		return nil
	})
}

// idler does nothing, and takes no memory.
type idler struct{}

func (idler) OnData(_ *Conn, b []byte) int { return len(b) }
func (idler) OnWritable(*Conn)             {}
func (idler) OnPeerClosed(c *Conn)         { c.Close() }
func (idler) OnClose(*Conn, Cause)         {}

// liveHeap is the bytes of objects that are in use.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
