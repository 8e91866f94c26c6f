// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/eventloop"
)

// Echo is a running echo service.
type Echo struct {
	listener *eventloop.Listener
	reactor  *eventloop.Reactor
	limits   bolt.Limits
	loops    []echoLoop
	closed   atomic.Bool
}

// echoLoop is what the connections of one loop share. Only that loop uses it.
type echoLoop struct {
	memory codec.Memory
	conns  map[*echoConn]struct{}
}

// ServeBolt starts an echo service for Bolt, versions 1 and 2, on the loops of
// reactor. A reply has status 0, the request's codec, header map and content,
// and the class of SofaRPC's responses. Content of any size is passed on as it
// arrives, no faster than the client reads it. One-way requests are read and
// dropped.
func ServeBolt(reactor *eventloop.Reactor, address string) (*Echo, error) {
	e := &Echo{reactor: reactor, limits: bolt.DefaultLimits(), loops: make([]echoLoop, len(reactor.Loops()))}
	for i := range e.loops {
		e.loops[i].conns = make(map[*echoConn]struct{})
	}
	var err error
	e.listener, err = reactor.Listen(eventloop.ListenConfig{Network: "tcp", Address: address, Accept: e.accept})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// RunBoltEcho serves Bolt at address until ctx ends; ready is called with the
// address once clients can connect. Requests in progress are then answered for
// up to stopTimeout.
func RunBoltEcho(ctx context.Context, address string, ready func(net.Addr)) error {
	reactor, err := eventloop.Start(eventloop.Options{})
	if err != nil {
		return err
	}
	e, err := ServeBolt(reactor, address)
	if err == nil {
		ready(e.Addr())
		<-ctx.Done()
		err = e.Close()
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if stopErr := reactor.Stop(stop); err == nil {
		err = stopErr
	}
	return err
}

// stopTimeout is how long RunBoltEcho waits for its loops: what is sent on
// loopback is there long before.
const stopTimeout = 5 * time.Second

// Addr is the address that the service listens on.
func (e *Echo) Addr() net.Addr { return e.listener.Addr() }

// Close stops accepting. Each connection is closed when its requests in
// progress are answered.
func (e *Echo) Close() error {
	if e.closed.Swap(true) {
		return nil
	}
	err := e.listener.Close()
	for i, loop := range e.reactor.Loops() {
		loop.Post(func() {
			for c := range e.loops[i].conns {
				c.session.Drain()
			}
		})
	}
	return err
}

// accept runs on the loop that the connection is on.
func (e *Echo) accept(conn *eventloop.Conn) eventloop.Handler {
	if e.closed.Load() {
		return nil
	}
	loop := &e.loops[conn.Loop().Index()]
	c := &echoConn{conn: conn, loop: loop}
	c.timer.Expire = c
	c.session = bolt.NewServer(conn, c, c, &loop.memory, &e.limits)
	loop.conns[c] = struct{}{}
	return c
}
