// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"net"
	"net/netip"
)

// addressesKept are as many as a loop has busy peers; the lines of one look alike.
const addressesKept = 64

// addresses are the texts of the addresses that were written last, by port.
type addresses [addressesKept]struct {
	of   netip.AddrPort
	text []byte
}

// append appends an address with its port; a Unix socket's is its path.
func (l *addresses) append(dst []byte, a net.Addr, how escaping, room int) []byte {
	switch a := a.(type) {
	case *net.TCPAddr:
		ip, ok := netip.AddrFromSlice(a.IP)
		if !ok {
			return dst
		}
		of := netip.AddrPortFrom(ip.Unmap().WithZone(a.Zone), uint16(a.Port))
		known := &l[of.Port()%addressesKept]
		if known.of != of {
			known.of, known.text = of, of.AppendTo(known.text[:0])
		}
		return append(dst, known.text...)
	case *net.UnixAddr:
		return appendEscaped(dst, a.Name, how, room)
	}
	return dst
}
