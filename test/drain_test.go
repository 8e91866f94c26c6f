// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline"
)

// A connection that was accepted before a drain, and reaches its loop after it,
// is drained like the others.
func TestDrainReachesLateConnections(t *testing.T) {
	reactor, err := eventloop.Start(eventloop.Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
		defer cancel()
		if err := reactor.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	limits := bolt.DefaultLimits()
	chain := &pipeline.Chain{IdleTimeout: time.Hour, Servers: []pipeline.Server{{
		Protocol: codec.Bolt,
		New: func(s codec.Sink, o codec.Owner, a codec.Acceptor, m *codec.Memory) codec.ServerSession {
			return bolt.NewServer(s, o, a, m, &limits)
		},
	}}}
	loop := reactor.Loops()[0]
	w := pipeline.NewWorker(loop, cluster.Sessions{})
	l, err := reactor.Listen(eventloop.ListenConfig{
		Network: "tcp", Address: "127.0.0.1:0",
		Accept: func(c *eventloop.Conn) eventloop.Handler { return w.Accept(c, chain) },
	})
	if err != nil {
		t.Fatal(err)
	}
	drained := make(chan struct{})
	loop.Post(func() {
		w.Drain()
		close(drained)
	})
	<-drained
	wantClosed(t, dial(t, l.Addr().String()))
}

// A drain lets a reply that is under way end, takes what was on its way to the
// proxy until the client has answered, and nothing behind its last GOAWAY.
func TestDrainWhileStreaming(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, match: anyRequest}))
	c := dialFrames(t, p.address("in"))
	c.ask(1, true)
	up := acceptFrames(t, l)
	id := up.wantHeaders().StreamID
	up.send(id, false, ":status", "200")
	c.wantHeaders()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
		defer cancel()
		p.Drain(ctx)
	}()
	for _, last := range []uint32{1<<31 - 1, 1} {
		if f, ok := c.next().(*http2.GoAwayFrame); !ok || f.LastStreamID != last || f.ErrCode != http2.ErrCodeNo {
			t.Fatalf("got %v; want GOAWAY up to %d", f, last)
		}
	}
	c.ask(3, true)
	up.data(id, []byte("the end"), true)
	if b, _ := c.wantData(-1); string(b) != "the end" {
		t.Errorf("the reply is %q", b)
	}
	if f, err := c.read(); err == nil {
		t.Errorf("after the last reply: %v", f)
	}
	c.conn.Close()
	<-drained
	p.wantOK(1)
}
