// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// soOriginalDst is SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST of netfilter.
const soOriginalDst = 80

// OriginalDst is where the peer connected to before iptables' REDIRECT sent it
// here; ok is false for a connection that came by itself.
func (c *Conn) OriginalDst() (a netip.AddrPort, ok bool) {
	local, isTCP := c.local.(*net.TCPAddr)
	if !isTCP || c.Closed() {
		return a, false
	}
	here := local.AddrPort()
	here = netip.AddrPortFrom(here.Addr().Unmap(), here.Port())
	if here.Addr().Is4() {
		// The kernel's sockaddr_in fits into what this call reads.
		m, err := unix.GetsockoptIPv6Mreq(c.fd, unix.SOL_IP, soOriginalDst)
		if err != nil {
			return a, false
		}
		a = sockaddrIPv4(m.Multiaddr)
	} else {
		m, err := unix.GetsockoptIPv6MTUInfo(c.fd, unix.SOL_IPV6, soOriginalDst)
		if err != nil {
			return a, false
		}
		a = sockaddrIPv6(&m.Addr)
	}
	return a, a != here
}

// sockaddrIPv4 reads a sockaddr_in: family, port, address.
func sockaddrIPv4(b [16]byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:8])), binary.BigEndian.Uint16(b[2:4]))
}

// sockaddrIPv6 reads a sockaddr_in6, whose port is in network order.
func sockaddrIPv6(s *unix.RawSockaddrInet6) netip.AddrPort {
	var port [2]byte
	binary.NativeEndian.PutUint16(port[:], s.Port)
	return netip.AddrPortFrom(netip.AddrFrom16(s.Addr), binary.BigEndian.Uint16(port[:]))
}
