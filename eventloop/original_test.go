// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSockaddrs(t *testing.T) {
	four := sockaddrIPv4([16]byte{2, 0, 0x1f, 0x90, 10, 1, 2, 3})
	if want := netip.MustParseAddrPort("10.1.2.3:8080"); four != want {
		t.Errorf("%v, want %v", four, want)
	}
	want := netip.MustParseAddrPort("[fd00::1]:8080")
	port := binary.NativeEndian.Uint16([]byte{0x1f, 0x90})
	if six := sockaddrIPv6(&unix.RawSockaddrInet6{Port: port, Addr: want.Addr().As16()}); six != want {
		t.Errorf("%v, want %v", six, want)
	}
}

// A connection that was not redirected has no original destination.
func TestNoOriginalDst(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		r := start(t, 1)
		found := make(chan bool, 1)
		ln, err := r.Listen(ListenConfig{Network: "tcp", Address: address, Accept: func(c *Conn) Handler {
			_, ok := c.OriginalDst()
			found <- ok
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if <-found {
			t.Errorf("%s: an original destination", address)
		}
		c.Close()
	}
}
