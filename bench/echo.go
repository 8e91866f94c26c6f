// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"encoding/binary"
	"net"
	"sync/atomic"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/eventloop"
)

// Echo is a running echo service.
type Echo struct {
	listener   *eventloop.Listener
	reactor    *eventloop.Reactor
	service    Service
	body       []byte // of every reply, unless it is an echo
	framed     []byte // the same as a message of gRPC
	boltLimits bolt.Limits
	h2Limits   http2.Limits
	loops      []echoLoop
	closed     atomic.Bool
}

// echoLoop is what the connections of one loop share. Only that loop uses it.
type echoLoop struct {
	echo   *Echo
	memory codec.Memory
	conns  map[*echoConn]struct{}
	start  int64   // of the service; set on the loop
	fault  float64 // the fraction of a request that failed too little so far
}

// Serve starts a service on the loops of reactor.
//
// An echo over Bolt has status 0, the request's codec, header map and content,
// and the class of SofaRPC's responses; one-way requests are read and dropped.
// Over HTTP/2 it has status 200 and the request's content and content-type,
// whatever the method and the path. A request of the content-type
// application/grpc gets its messages back with grpc-status 0. Content of any size
// is passed on as it arrives, no faster than the client reads it.
func Serve(reactor *eventloop.Reactor, address string, s Service) (*Echo, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	e := &Echo{
		reactor: reactor, service: s, loops: make([]echoLoop, len(reactor.Loops())),
		boltLimits: bolt.DefaultLimits(), h2Limits: http2.DefaultLimits(),
	}
	if s.Body > 0 {
		e.framed = binary.BigEndian.AppendUint32([]byte{0}, uint32(s.Body))
		e.framed = append(e.framed, Content(s.Body)...)
		e.body = e.framed[grpcPrefix:]
	}
	for i, loop := range reactor.Loops() {
		l := &e.loops[i]
		l.echo, l.conns = e, make(map[*echoConn]struct{})
		loop.Post(func() { l.start = loop.Now() })
	}
	listen := eventloop.ListenConfig{Network: "tcp", Address: address, Accept: e.accept}
	if s.TLS != nil {
		secured := &eventloop.ServerTLS{Config: s.TLS}
		listen.TLS = func() *eventloop.ServerTLS { return secured }
	}
	var err error
	e.listener, err = reactor.Listen(listen)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// RunEcho serves at address, on so many loops, until ctx ends; ready is called
// with the address once clients can connect. Requests in progress are then
// answered for up to stopTimeout.
func RunEcho(ctx context.Context, address string, s Service, loops int, ready func(net.Addr)) error {
	reactor, err := eventloop.Start(eventloop.Options{Loops: loops})
	if err != nil {
		return err
	}
	e, err := Serve(reactor, address, s)
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

// stopTimeout is how long RunEcho waits for its loops: what is sent on
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
				c.drain()
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
	loop.conns[c] = struct{}{}
	return c
}

// fails tells whether this request is one of those that fail.
func (l *echoLoop) fails() bool {
	l.fault += l.echo.service.ErrorRate
	if l.fault < 1 {
		return false
	}
	l.fault--
	return true
}

// hold is how long the reply to a request that comes at now is held back.
func (l *echoLoop) hold(now int64) time.Duration {
	s := &l.echo.service
	return s.Delay + s.Stall.left(time.Duration(now-l.start))
}
