// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/eventloop"
)

// startEcho runs a service on loops of its own for the length of a test.
func startEcho(t *testing.T) *Echo {
	t.Helper()
	reactor, err := eventloop.Start(eventloop.Options{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := reactor.Stop(ctx); err != nil {
			t.Error("stop:", err)
		}
	})
	e, err := Serve(reactor, "127.0.0.1:0", Service{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// randomBytes is the same content for the same size.
func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// encoded is a request as a client sends it.
func encoded(head *bolt.Head, content []byte) []byte {
	c := newCall()
	c.session.Open(c).SendHeaders(head, content, true)
	return c.out
}

var versions = []struct {
	name string
	set  func(*bolt.Head)
}{
	{"v1", func(h *bolt.Head) {}},
	{"v2", func(h *bolt.Head) { h.Version, h.Ver1 = bolt.V2, 1 }},
	{"v2 with CRC", func(h *bolt.Head) { h.Version, h.Ver1, h.Switch = bolt.V2, 2, bolt.SwitchCRC }},
}

func TestEcho(t *testing.T) {
	e := startEcho(t)
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			conn := dial(t, e.Addr())
			for _, n := range []int{0, 1, 1000, 64 << 10, 1 << 20, 16 << 20, 5} {
				head := request()
				v.set(head)
				head.Codec = 11
				head.Map = bolt.AppendPair(head.Map, []byte("null"), nil)
				content := randomBytes(n)
				reply, err := CallBolt(soon(t), conn, head, content)
				if err != nil {
					t.Fatalf("%d bytes: %v", n, err)
				}
				h := reply.Head
				if h.Version != head.Version || h.Ver1 != head.Ver1 || h.Switch != head.Switch ||
					h.Type != bolt.TypeResponse || h.Command != bolt.CommandResponse || h.Status != 0 || h.Codec != 11 {
					t.Errorf("%d bytes: head %+v", n, h)
				}
				if string(h.Class) != "com.alipay.sofa.rpc.core.response.SofaResponse" || !bytes.Equal(h.Map, head.Map) {
					t.Errorf("%d bytes: class %q, map %q", n, h.Class, h.Map)
				}
				if sha256.Sum256(reply.Content) != sha256.Sum256(content) {
					t.Errorf("%d bytes: content of %d bytes differs", n, len(reply.Content))
				}
			}
		})
	}
}

// One-way requests, whole and streamed, get no reply and hold up nothing.
func TestEchoOneWay(t *testing.T) {
	e := startEcho(t)
	conn := dial(t, e.Addr())
	for _, n := range []int{0, 1000, 1 << 20} {
		oneWay := request()
		oneWay.Type = bolt.TypeOneWay
		if _, err := conn.Write(encoded(oneWay, randomBytes(n))); err != nil {
			t.Fatal(err)
		}
		reply, err := CallBolt(soon(t), conn, request(), []byte("after"))
		if err != nil || string(reply.Content) != "after" {
			t.Fatal(reply, err)
		}
	}
}

// Many requests in one write, of all sizes, are answered in full.
func TestEchoPipelined(t *testing.T) {
	e := startEcho(t)
	conn := dial(t, e.Addr())
	c := newCall()
	replies := make([]*call, 300)
	for i := range replies {
		r := &call{session: c.session}
		r.stream = c.session.Open(r)
		r.stream.SendHeaders(request(), randomBytes(i*i), true)
		replies[i] = r
	}
	c.stream = c.session.Open(c)
	c.stream.SendHeaders(request(), []byte("last"), true)
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := c.exchange(conn); err != nil {
		t.Fatal(err)
	}
	for i, r := range replies {
		if !r.done || !bytes.Equal(r.reply.Content, randomBytes(i*i)) {
			t.Fatalf("reply %d: done %v, %d bytes", i, r.done, len(r.reply.Content))
		}
	}
}

// A client that does not read its reply is not read from, and gets it whole
// when it does.
func TestEchoBackpressure(t *testing.T) {
	e := startEcho(t)
	conn := dial(t, e.Addr())
	content := randomBytes(64 << 20)
	out := encoded(request(), content)
	_ = conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	n, err := conn.Write(out)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the service took %d bytes: %v", n, err)
	}
	for i, loop := range e.reactor.Loops() {
		held := make(chan int, 1)
		loop.Post(func() { held <- e.loops[i].memory.Used(codec.Hold) + e.loops[i].memory.Used(codec.Gather) })
		if held := <-held; held > 1<<20 {
			t.Errorf("the service holds %d bytes", held)
		}
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	written := make(chan error, 1)
	go func() {
		_, err := conn.Write(out[n:])
		written <- err
	}()
	reply := make([]byte, 20+len(responseClass)+len(request().Map)+len(content))
	if _, err := io.ReadFull(conn, reply); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if got := reply[len(reply)-len(content):]; sha256.Sum256(got) != sha256.Sum256(content) {
		t.Error("the content differs")
	}
}

func TestEchoBadInput(t *testing.T) {
	e := startEcho(t)
	t.Run("not Bolt", func(t *testing.T) {
		conn := dial(t, e.Addr())
		_, _ = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		_ = conn.SetDeadline(time.Now().Add(patience))
		if n, err := conn.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%d bytes, %v", n, err)
		}
	})
	head := request()
	versions[2].set(head)
	for _, n := range []int{10, 1 << 20} {
		t.Run(fmt.Sprintf("wrong checksum of %d bytes", n), func(t *testing.T) {
			// The content is changed on its way to the service.
			c := newCall()
			c.stream = c.session.Open(c)
			c.stream.SendHeaders(head, randomBytes(n), true)
			c.out[len(c.out)-5] ^= 1
			conn := dial(t, e.Addr())
			_ = conn.SetDeadline(time.Now().Add(patience))
			reply, err := c.exchange(conn)
			if n == 10 && (err != nil || reply.Head.Status != codec.BoltCodecException) {
				t.Errorf("whole frame: %v, %v", reply, err)
			}
			if n > 10 && (err == nil || !strings.Contains(err.Error(), "upstream_protocol_error")) {
				t.Errorf("streamed frame: %v, %v", reply, err)
			}
		})
	}
}

// A client that leaves in the middle of its request leaves nothing behind.
func TestEchoClientLeaves(t *testing.T) {
	e := startEcho(t)
	for range 20 {
		conn := dial(t, e.Addr())
		if _, err := conn.Write(encoded(request(), randomBytes(1<<20))[:100<<10]); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	deadline := time.Now().Add(patience)
	for i, loop := range e.reactor.Loops() {
		for left := -1; left != 0; {
			if time.Now().After(deadline) {
				t.Fatalf("%d connections left on loop %d", left, i)
			}
			count := make(chan int, 1)
			loop.Post(func() {
				l := &e.loops[i]
				count <- len(l.conns) + l.memory.Used(codec.Hold) + l.memory.Used(codec.Gather)
			})
			left = <-count
		}
	}
}

// Close lets a request in progress finish, ends idle connections and refuses
// new ones.
func TestEchoClose(t *testing.T) {
	e := startEcho(t)
	idle, busy := dial(t, e.Addr()), dial(t, e.Addr())
	for _, conn := range []net.Conn{idle, busy} {
		if _, err := CallBolt(soon(t), conn, request(), nil); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
	}
	content := randomBytes(1 << 20)
	out := encoded(request(), content)
	half := len(out) / 2
	if _, err := busy.Write(out[:half]); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1) // the reply has begun
	if _, err := io.ReadFull(busy, first); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := idle.Read(first); !errors.Is(err, io.EOF) {
		t.Fatal("idle connection:", err)
	}
	go func() { _, _ = busy.Write(out[half:]) }()
	reply, err := io.ReadAll(busy)
	if err != nil || !bytes.HasSuffix(reply, content) {
		t.Fatalf("request in progress: %d bytes, %v", len(reply), err)
	}
	if conn, err := net.DialTimeout("tcp", e.Addr().String(), patience); err == nil {
		_ = conn.Close()
		t.Fatal("a connection was accepted")
	}
}

func TestRunEcho(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	addr := make(chan net.Addr, 1)
	ended := make(chan error, 1)
	go func() { ended <- RunEcho(ctx, "127.0.0.1:0", Service{}, 1, func(a net.Addr) { addr <- a }) }()
	conn := dial(t, <-addr)
	if _, err := CallBolt(soon(t), conn, request(), []byte("hi")); err != nil {
		t.Fatal(err)
	}
	taken := conn.RemoteAddr().String()
	if err := RunEcho(ctx, taken, Service{}, 1, func(net.Addr) { t.Error("served on an address that is taken") }); err == nil {
		t.Error("no error for an address that is taken")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
