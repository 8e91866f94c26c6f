// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/panjf2000/gnet/v2"
)

// admission is a connection on its way to a loop.
type admission struct {
	loop     *Loop
	listener *Listener // of an accepted connection
	dialing  *Dialing  // of a dialled one
	local    net.Addr
	remote   net.Addr
	unix     bool
	wire     *wire // of an encrypted one, with what its handshake has found
	hello    *Hello
	accept   func(*Conn) Handler // in place of the listener's
	early    []byte              // input that was read before
	opened   bool                // set on the loop before gnet reports back
}

// errNotOpened is a connection that gnet could not register and says nothing
// about.
var errNotOpened = errors.New("the connection could not be registered with its loop")

// enroll hands nc to the loop of a, and waits until it is open there. It owns
// nc in any case. The caller has counted the connection in the loop's load, and
// is not on a loop.
func (a *admission) enroll(nc net.Conn) error {
	a.local, a.remote = detachAddr(nc.LocalAddr()), detachAddr(nc.RemoteAddr())
	if a.listener != nil {
		a.local = a.listener.usualAddr(a.local)
	}
	_, a.unix = nc.(*net.UnixConn)
	result, err := a.loop.poll.engine.Enroll(gnet.NewContext(context.Background(), a), nc)
	if err != nil {
		nc.Close()
	} else if err = (<-result).Err; a.opened {
		return nil
	}
	a.loop.load.Add(-1)
	if err == nil {
		err = errNotOpened
	}
	return err
}

// detachAddr returns an address that stays as it is. gnet renames the local
// address of Unix sockets, and hands the bytes of an IPv6 zone to its buffer
// pool when the connection closes, though they belong to a string that Go
// shares: the original loses its zone.
func detachAddr(a net.Addr) net.Addr {
	switch a := a.(type) {
	case *net.TCPAddr:
		if a.Zone != "" {
			kept := *a
			a.Zone = ""
			return &kept
		}
	case *net.UnixAddr:
		kept := *a
		return &kept
	}
	return a
}

// gate counts what must be over before the loops may end: connections being
// enrolled wait for their loop, and would wait for ever.
type gate struct {
	mu     sync.Mutex
	inside sync.WaitGroup
	closed bool
}

// enter tells whether the caller may go in; if so it must leave.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.inside.Add(1)
	return true
}

func (g *gate) leave() { g.inside.Done() }

// close lets nobody in any more and waits until everybody has left.
func (g *gate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.inside.Wait()
}
