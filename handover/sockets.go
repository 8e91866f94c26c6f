// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Offer is a listening socket that is given to the next process.
type Offer struct {
	// Key is what the next process asks for it by.
	Key string
	// Shared and OwnsPath are those of the eventloop package's Inherited.
	Shared, OwnsPath bool
	Socket           syscall.Conn `json:"-"`
}

// Want is a listener that the configuration asks for.
type Want struct {
	// Key is the same in every process for the same listener.
	Key string
	// Name is the listener's; a supervisor may call its socket so.
	Name string
	// Network and Address are as net.Listen takes them.
	Network, Address string
}

// Given is a listening socket that the process was started with.
type Given struct {
	net.Listener
	Shared, OwnsPath bool

	key  string // of a process before; empty for a supervisor's
	name string // that a supervisor gave it
	kept bool
}

// String is how the socket is called in messages.
func (g *Given) String() string {
	label := g.key
	if label == "" {
		label = g.name
	}
	return fmt.Sprintf("%q (%s %s)", label, g.Addr().Network(), g.Addr())
}

// Sockets are those that the process was started with. A nil *Sockets has none.
// Its methods may be called from any goroutine.
type Sockets struct {
	mu   sync.Mutex
	list []*Given
}

// Take is the socket for a listener, which owns it from then on; nil where there
// is none. A supervisor's is that with the listener's address, else that with its
// name.
func (s *Sockets) Take(w Want) *Given {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fits := range []func(*Given) bool{
		func(g *Given) bool { return g.key == w.Key },
		func(g *Given) bool { return g.key == "" && sameAddress(g.Addr(), w.Network, w.Address) },
		func(g *Given) bool { return g.key == "" && g.name == w.Name },
	} {
		for _, g := range s.list {
			if !g.kept && fits(g) {
				g.kept = true
				return g
			}
		}
	}
	return nil
}

// Kept are the keys of the sockets that were taken.
func (s *Sockets) Kept() []string {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for _, g := range s.list {
		if g.kept {
			keys = append(keys, g.key)
		}
	}
	return keys
}

// CloseRest closes those that no listener took, and returns them.
func (s *Sockets) CloseRest() []*Given {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var rest []*Given
	for _, g := range s.list {
		if !g.kept {
			g.Close()
			rest = append(rest, g)
		}
	}
	s.list = slices.DeleteFunc(s.list, func(g *Given) bool { return !g.kept })
	return rest
}

func (s *Sockets) add(g *Given) { s.list = append(s.list, g) }

// sameAddress tells whether a socket listens where a listener is to. A wildcard
// is the same in both families, since systemd opens one of IPv6 that takes IPv4,
// too.
func sameAddress(a net.Addr, network, address string) bool {
	if u, ok := a.(*net.UnixAddr); ok {
		return network == "unix" && u.Name == address
	}
	t, ok := a.(*net.TCPAddr)
	if !ok || network == "unix" {
		return false
	}
	want, err := net.ResolveTCPAddr(network, address)
	if err != nil || want.Port != t.Port {
		return false
	}
	has, asked := unmapped(t.IP), unmapped(want.IP)
	if has.IsUnspecified() && asked.IsUnspecified() {
		return network == "tcp" || has.Is4() == (network == "tcp4")
	}
	return has == asked && t.Zone == want.Zone
}

// unmapped is an address without its form; none at all is a wildcard.
func unmapped(ip net.IP) netip.Addr {
	a, ok := netip.AddrFromSlice(ip)
	if !ok {
		return netip.IPv6Unspecified()
	}
	return a.Unmap()
}

var errNotListening = errors.New("it is not a stream socket that listens")

// listenerOf makes a listener of a descriptor, which it takes.
func listenerOf(f *os.File) (net.Listener, error) {
	defer f.Close()
	if err := withDescriptor(f, func(fd int) error {
		if kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_STREAM {
			return errNotListening
		}
		if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens == 0 {
			return errNotListening
		}
		return nil
	}); err != nil {
		return nil, err
	}
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	switch u := l.(type) {
	case *net.TCPListener:
	case *net.UnixListener:
		u.SetUnlinkOnClose(false)
	default:
		l.Close()
		return nil, errors.New("it is neither TCP nor a Unix socket")
	}
	return l, nil
}
