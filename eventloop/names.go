// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// nameFresh is how long an answer is used without asking again. It is
	// MOSN's.
	nameFresh = 15 * time.Second
	// nameStale is how long it is used where asking again fails: an outage of
	// the resolver should not become one of every host.
	nameStale = 10 * time.Minute
	// nameLimit bounds the names that are remembered.
	nameLimit = 4096
)

// names is what the hosts that the process dials have resolved to.
var names = nameCache{lookup: net.DefaultResolver.LookupNetIP}

// nameCache remembers the addresses of names. Any goroutine but a loop may use
// it. Those that ask for the same name at the same time wait for one answer.
type nameCache struct {
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

	mu      sync.Mutex
	entries map[nameKey]*nameEntry
}

type nameKey struct{ network, host string }

type nameEntry struct {
	asking    chan struct{} // held by the one who asks
	addresses []netip.Addr
	at        time.Time
}

// addresses returns what host is at: itself for an address, else what its name
// resolves to. network is that of a dial.
func (n *nameCache) addresses(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	e := n.entry(nameKey{"ip" + network[len("tcp"):], host})
	select {
	case e.asking <- struct{}{}:
		defer func() { <-e.asking }()
	case <-ctx.Done():
		return nil, fmt.Errorf("resolve %s: %w", host, ctx.Err())
	}
	age := time.Since(e.at)
	if e.addresses != nil && age < nameFresh {
		return e.addresses, nil
	}
	found, err := n.lookup(ctx, "ip"+network[len("tcp"):], host)
	switch {
	case err == nil && len(found) > 0:
		e.addresses, e.at = found, time.Now()
	case e.addresses != nil && age < nameStale:
	case err == nil:
		return nil, fmt.Errorf("resolve %s: the name has no address", host)
	default:
		return nil, err
	}
	return e.addresses, nil
}

// entry returns the name's entry, making it if need be. Where there are too many
// any other is forgotten.
func (n *nameCache) entry(k nameKey) *nameEntry {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.entries[k]
	if e != nil {
		return e
	}
	if n.entries == nil {
		n.entries = make(map[nameKey]*nameEntry)
	}
	for other := range n.entries {
		if len(n.entries) < nameLimit {
			break
		}
		delete(n.entries, other)
	}
	e = &nameEntry{asking: make(chan struct{}, 1)}
	n.entries[k] = e
	return e
}

// dialName connects to the first address of a name that accepts. Each has an
// equal part of the time that is left.
func (n *nameCache) dialName(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return d.DialContext(ctx, network, address)
	}
	addresses, err := n.addresses(ctx, network, host)
	if err != nil {
		return nil, err
	}
	var conn net.Conn
	for i, a := range addresses {
		part, cancel := context.WithCancel(ctx)
		if deadline, ok := ctx.Deadline(); ok {
			cancel()
			part, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(len(addresses)-i))
		}
		conn, err = d.DialContext(part, network, net.JoinHostPort(a.String(), port))
		cancel()
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return conn, err
}
