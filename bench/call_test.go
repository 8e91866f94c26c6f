// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec/bolt"
	"go.uber.org/goleak"
)

// patience bounds what should happen soon.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	// The loops enrol connections with a pool of goroutines that lives as long
	// as the process and keeps idle workers for a while.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"))
}

// script serves one connection with serve and returns a connection to it. serve
// has returned, and its connection is closed, when the test ends.
func script(t *testing.T, serve func(net.Conn)) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		serve(conn)
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return dial(t, l.Addr())
}

func dial(t *testing.T, addr net.Addr) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout(addr.Network(), addr.String(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// readID reads the fixed part of a version 1 request and returns its id.
func readID(conn net.Conn) []byte {
	b := make([]byte, 22)
	if _, err := io.ReadFull(conn, b); err != nil {
		return make([]byte, 4)
	}
	return b[5:9]
}

// frame puts an id into a frame written in hex, at "id".
func frame(text string, id []byte) []byte {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "id", hex.EncodeToString(id)), " ", "")
	b, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return b
}

// readAll reads until the client closes.
func readAll(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

func request() *bolt.Head { return BoltRequest("com.example.Echo:1.0", time.Second) }

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// The request, byte by byte, and a reply with everything in it.
func TestCallOnTheWire(t *testing.T) {
	got := make(chan string, 1)
	conn := script(t, func(conn net.Conn) {
		b := make([]byte, 22+44+4+7+4+20+2)
		_, _ = io.ReadFull(conn, b)
		got <- hex.EncodeToString(append(append([]byte{}, b[:5]...), b[9:]...))
		_, _ = conn.Write(frame("01 00 0002 01 id 0b 0007 0003 000a 00000002 636c73 00000001 6b 00000001 76 6869", b[5:9]))
		readAll(conn)
	})
	defer func() { _ = conn.Close() }()
	reply, err := CallBolt(soon(t), conn, request(), []byte("hi"))
	if err != nil {
		t.Fatal(err)
	}
	want := "0101000101" + "01" + "000003e8" + "002c" + "0023" + "00000002" +
		hex.EncodeToString([]byte(requestClass)) +
		"00000007" + hex.EncodeToString([]byte("service")) +
		"00000014" + hex.EncodeToString([]byte("com.example.Echo:1.0")) + hex.EncodeToString([]byte("hi"))
	if request := <-got; request != want {
		t.Errorf("request %s,\n   want %s", request, want)
	}
	h := reply.Head
	value, _ := h.Get("k")
	if h.Status != 7 || reply.StatusText() != "timeout" || h.Codec != 11 || string(h.Class) != "cls" || string(value) != "v" || string(reply.Content) != "hi" {
		t.Errorf("reply %+v, content %q", h, reply.Content)
	}
}

func TestCallErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		serve func(net.Conn)
		want  string
	}{
		{"closed at once", func(net.Conn) {}, "the connection was"},
		{"closed after the request", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1024))
		}, "closed before the reply was complete"},
		{"closed within the reply", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 1024))
			_, _ = c.Write(frame("01 00 0002 01 id 01", []byte{0, 0, 0, 1}))
		}, "closed before the reply was complete"},
		{"not Bolt", func(c net.Conn) {
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			readAll(c)
		}, "upstream_protocol_error"},
		{"header map that lies", func(c net.Conn) {
			_, _ = c.Write(frame("01 00 0002 01 id 01 0000 0000 0004 00000000 0000000f", readID(c)))
			readAll(c)
		}, "upstream_protocol_error"},
		{"content over the limit", func(c net.Conn) {
			_, _ = c.Write(frame("01 00 0002 01 id 01 0000 0000 0000 10000001", readID(c)))
			readAll(c)
		}, "body_too_large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := script(t, c.serve)
			defer func() { _ = conn.Close() }()
			reply, err := CallBolt(soon(t), conn, request(), []byte("hi"))
			if err == nil {
				t.Fatalf("reply %+v", reply)
			}
			reset := strings.Contains(err.Error(), "connection reset") || strings.Contains(err.Error(), "broken pipe")
			if !strings.Contains(err.Error(), c.want) && !reset || !strings.HasPrefix(err.Error(), "bolt call to 127.0.0.1:") {
				t.Fatalf("error %q, want one with %q", err, c.want)
			}
		})
	}
}

func TestCallRefuses(t *testing.T) {
	conn := script(t, readAll)
	defer func() { _ = conn.Close() }()
	oneWay := request()
	oneWay.Type = bolt.TypeOneWay
	if _, err := CallBolt(soon(t), conn, oneWay, nil); err == nil {
		t.Error("one-way request called")
	}
	long := BoltRequest(strings.Repeat("x", 1<<16), time.Second)
	ctx := soon(t)
	if _, err := CallBolt(ctx, conn, long, nil); err == nil || !strings.Contains(err.Error(), "header_too_large") || ctx.Err() != nil {
		t.Error("service of 64 KiB:", err)
	}
}

// A call ends with its context, whether it waits for the reply or for the
// server to take the request.
func TestCallEnds(t *testing.T) {
	for _, c := range []struct {
		name    string
		content int
		serve   func(net.Conn, chan struct{})
	}{
		{"silent server", 2, func(c net.Conn, _ chan struct{}) { readAll(c) }},
		{"unread request", 64 << 20, func(_ net.Conn, over chan struct{}) { <-over }},
		{"reply to another id", 2, func(c net.Conn, _ chan struct{}) {
			id := readID(c)
			id[0] ^= 0xff
			_, _ = c.Write(frame("01 00 0002 01 id 01 0000 0000 0000 00000000", id))
			readAll(c)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			over := make(chan struct{})
			conn := script(t, func(conn net.Conn) { c.serve(conn, over) })
			defer func() { _ = conn.Close() }()
			defer close(over)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := CallBolt(ctx, conn, request(), make([]byte, c.content))
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no complete reply in time") {
				t.Fatal(err)
			}
			ctx, cancel = context.WithCancel(t.Context())
			cancel()
			if _, err = CallBolt(ctx, conn, request(), nil); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		})
	}
}

// A server may reply before it has read the request, and need never read it.
func TestCallRepliedEarly(t *testing.T) {
	over := make(chan struct{})
	conn := script(t, func(conn net.Conn) {
		_, _ = conn.Write(frame("01 00 0002 01 id 01 0004 0000 0000 00000000", readID(conn)))
		<-over
	})
	defer func() { _ = conn.Close() }()
	defer close(over)
	ctx := soon(t)
	reply, err := CallBolt(ctx, conn, request(), make([]byte, 64<<20))
	if err != nil || reply.Head.Status != 4 {
		t.Fatal(reply, err)
	}
	if ctx.Err() != nil {
		t.Fatal("the call waited for the server to take the request")
	}
}
