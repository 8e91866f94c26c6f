// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/eventloop"
)

// startService runs a service on loops of its own for the length of a test.
func startService(t *testing.T, s Service) *Echo {
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
	e, err := Serve(reactor, "127.0.0.1:0", s)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// httpClient speaks HTTP/2 without TLS for the length of a test.
func httpClient(t *testing.T) *http.Client {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// exchange sends one request over HTTP/2 and reads the whole reply.
func exchange(t *testing.T, c *http.Client, e *Echo, method, contentType string, body io.Reader) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(soon(t), method, "http://"+e.Addr().String()+"/any", body)
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	reply, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reply.Body.Close() }()
	content, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply, content
}

// unsized hides the length of a body from the client.
type unsized struct{ io.Reader }

func message(content []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(content))), content...)
}

func TestEchoHTTP2(t *testing.T) {
	e := startService(t, Service{Speaks: SpeaksAll})
	c := httpClient(t)
	for _, n := range []int{0, 1, 1000, 1 << 20, 16 << 20} {
		body := randomBytes(n)
		reply, content := exchange(t, c, e, "POST", "text/x", bytes.NewReader(body))
		if reply.StatusCode != 200 || reply.ContentLength != int64(n) || !bytes.Equal(content, body) || reply.Header.Get("Content-Type") != "text/x" {
			t.Errorf("%d bytes: %d bytes of %v, %v", n, len(content), reply.ContentLength, reply.Status)
		}
		reply, content = exchange(t, c, e, "PUT", "", unsized{bytes.NewReader(body)})
		if n > 0 && reply.ContentLength != -1 || !bytes.Equal(content, body) {
			t.Errorf("%d bytes without a length: %d bytes of %v", n, len(content), reply.ContentLength)
		}
	}
	if reply, content := exchange(t, c, e, "GET", "", nil); reply.StatusCode != 200 || len(content) != 0 {
		t.Errorf("GET: %v, %d bytes", reply.Status, len(content))
	}
	if reply, _ := exchange(t, c, e, "HEAD", "", nil); reply.StatusCode != 200 {
		t.Errorf("HEAD: %v", reply.Status)
	}
	conn := dial(t, e.Addr()) // Bolt on the same port
	if reply, err := CallBolt(soon(t), conn, request(), []byte("hi")); err != nil || string(reply.Content) != "hi" {
		t.Error(reply, err)
	}
}

func TestEchoGRPC(t *testing.T) {
	e := startService(t, Service{Speaks: SpeaksHTTP2})
	c := httpClient(t)
	for _, n := range []int{0, 1, 1000, 1 << 20, 16 << 20} {
		body := message(randomBytes(n))
		reply, content := exchange(t, c, e, "POST", "application/grpc+proto", unsized{bytes.NewReader(body)})
		if reply.StatusCode != 200 || !bytes.Equal(content, body) || reply.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("%d bytes: %v, %d bytes, trailers %v", n, reply.Status, len(content), reply.Trailer)
		}
	}
	two := append(message([]byte("one")), message(nil)...)
	if reply, content := exchange(t, c, e, "POST", "application/grpc", bytes.NewReader(two)); !bytes.Equal(content, two) || reply.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("two messages: %q, %v", content, reply.Trailer)
	}
	if reply, _ := exchange(t, c, e, "POST", "application/grpc", strings.NewReader("\x00\x00\x00\x00\x05torn")); reply.Trailer.Get("Grpc-Status") != "13" {
		t.Errorf("a torn message: %v", reply.Trailer)
	}
}

// What a client of HTTP/2 sends faster than it reads its reply is not held.
func TestEchoHTTP2Backpressure(t *testing.T) {
	e := startService(t, Service{Speaks: SpeaksHTTP2})
	body, sent := io.Pipe()
	r, err := http.NewRequestWithContext(soon(t), "POST", "http://"+e.Addr().String(), body)
	if err != nil {
		t.Fatal(err)
	}
	const size, piece = 64 << 20, 64 << 10
	// The client's own window is 4 MiB: as much gets through unread.
	ahead := make(chan struct{})
	go func() {
		b := randomBytes(piece)
		for n := 0; n < size; n += piece {
			if n == 4<<20 {
				close(ahead)
			}
			_, _ = sent.Write(b)
		}
		_ = sent.Close()
	}()
	reply, err := httpClient(t).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reply.Body.Close() }()
	<-ahead
	got := 0
	for b := make([]byte, 64<<10); ; {
		n, err := reply.Body.Read(b)
		got += n
		for i, loop := range e.reactor.Loops() {
			held := make(chan int, 1)
			loop.Post(func() { held <- e.loops[i].memory.Used(codec.Hold) + e.loops[i].memory.Used(codec.Gather) })
			if held := <-held; held > 1<<20 {
				t.Fatalf("the service holds %d bytes", held)
			}
		}
		if err != nil {
			break
		}
	}
	if got != size {
		t.Errorf("%d bytes of %d", got, size)
	}
}

func TestReplyBody(t *testing.T) {
	const n = 200_000
	e := startService(t, Service{Speaks: SpeaksAll, Body: n})
	c := httpClient(t)
	want := Content(n)
	if !bytes.Equal(want[:100], Content(100)) {
		t.Fatal("a shorter content is not a beginning of a longer one")
	}
	for _, method := range []string{"GET", "POST"} {
		if reply, content := exchange(t, c, e, method, "", bytes.NewReader(randomBytes(1<<20))); !bytes.Equal(content, want) || reply.ContentLength != n {
			t.Errorf("%s: %d bytes of %d", method, len(content), reply.ContentLength)
		}
	}
	if reply, content := exchange(t, c, e, "HEAD", "", nil); len(content) != 0 || reply.ContentLength != n {
		t.Errorf("HEAD: %d bytes of %d", len(content), reply.ContentLength)
	}
	if reply, content := exchange(t, c, e, "POST", "application/grpc", bytes.NewReader(message(nil))); !bytes.Equal(content, message(want)) || reply.Trailer.Get("Grpc-Status") != "0" {
		t.Errorf("gRPC: %d bytes, %v", len(content), reply.Trailer)
	}
	conn := dial(t, e.Addr())
	for _, v := range versions {
		head := request()
		v.set(head)
		head.Codec = 11
		reply, err := CallBolt(soon(t), conn, head, randomBytes(1<<20))
		if err != nil || !bytes.Equal(reply.Content, want) || reply.Head.Codec != 11 {
			t.Fatalf("%s: %v", v.name, err)
		}
	}
}

func TestErrorRate(t *testing.T) {
	e := startService(t, Service{Speaks: SpeaksAll, ErrorRate: 1})
	c := httpClient(t)
	if reply, content := exchange(t, c, e, "POST", "", bytes.NewReader(randomBytes(1<<20))); reply.StatusCode != 500 || len(content) != 0 {
		t.Errorf("HTTP: %v", reply.Status)
	}
	if reply, _ := exchange(t, c, e, "POST", "application/grpc", bytes.NewReader(message(nil))); reply.StatusCode != 200 || reply.Header.Get("Grpc-Status") != "13" {
		t.Errorf("gRPC: %v %v", reply.Status, reply.Header)
	}
	reply, err := CallBolt(soon(t), dial(t, e.Addr()), request(), randomBytes(1<<20))
	if err != nil || reply.Head.Status != codec.BoltServerException || len(reply.Content) != 0 {
		t.Errorf("Bolt: %v %v", reply, err)
	}
}

// A reply that is held back comes whole, and not before its time.
func TestDelay(t *testing.T) {
	const delay = 30 * time.Millisecond
	e := startService(t, Service{Speaks: SpeaksAll, Delay: delay})
	c := httpClient(t)
	for _, n := range []int{0, 1000, 1 << 20} {
		body := randomBytes(n)
		start := time.Now()
		if _, content := exchange(t, c, e, "POST", "", bytes.NewReader(body)); !bytes.Equal(content, body) || time.Since(start) < delay {
			t.Errorf("HTTP, %d bytes: %d bytes after %v", n, len(content), time.Since(start))
		}
		start = time.Now()
		framed := message(body)
		if reply, content := exchange(t, c, e, "POST", "application/grpc", bytes.NewReader(framed)); !bytes.Equal(content, framed) || time.Since(start) < delay || reply.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("gRPC, %d bytes: %d bytes after %v", n, len(content), time.Since(start))
		}
		for _, v := range versions {
			head := request()
			v.set(head)
			start = time.Now()
			reply, err := CallBolt(soon(t), dial(t, e.Addr()), head, body)
			if err != nil || !bytes.Equal(reply.Content, body) || time.Since(start) < delay || !bytes.Equal(reply.Head.Map, head.Map) {
				t.Errorf("%s, %d bytes: %v after %v", v.name, n, err, time.Since(start))
			}
		}
	}
}

// A client that leaves while its reply is held back leaves nothing behind.
func TestDelayClientLeaves(t *testing.T) {
	e := startService(t, Service{Delay: time.Hour})
	for range 5 {
		conn := dial(t, e.Addr())
		if _, err := conn.Write(encoded(request(), []byte("hi"))); err != nil {
			t.Fatal(err)
		}
		one := request()
		one.Type = bolt.TypeOneWay
		if _, err := conn.Write(encoded(one, []byte("hi"))); err != nil {
			t.Fatal(err)
		}
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
	deadline := time.Now().Add(patience)
	for e.listener.Conns() > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections left", e.listener.Conns())
		}
		time.Sleep(time.Millisecond)
	}
}

func TestStall(t *testing.T) {
	s := Stall{Every: 10 * time.Second, For: 100 * time.Millisecond}
	for _, c := range []struct{ running, left time.Duration }{
		{0, 0}, {9999 * time.Millisecond, 0}, {10 * time.Second, 100 * time.Millisecond},
		{10*time.Second + 40*time.Millisecond, 60 * time.Millisecond}, {10*time.Second + 100*time.Millisecond, 0},
		{19 * time.Second, 0}, {20 * time.Second, 100 * time.Millisecond},
	} {
		if got := s.left(c.running); got != c.left {
			t.Errorf("after %v: %v are left, want %v", c.running, got, c.left)
		}
	}
	if (Stall{}).left(time.Hour) != 0 {
		t.Error("no stall is a stall")
	}
}

func TestKnobsAreChecked(t *testing.T) {
	var s Stall
	if err := s.UnmarshalText([]byte("for=100ms,every=10s")); err != nil || s != (Stall{Every: 10 * time.Second, For: 100 * time.Millisecond}) {
		t.Error(s, err)
	}
	for _, bad := range []string{"", "10s", "EVERY=10s", "EVERY=10s,FOR=x", "EVERY=10s,FOR=-1s", "EVERY=10s,FOR=1s,AT=3s", "A=1s,B=2s"} {
		if err := s.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is a stall", bad)
		}
	}
	var speaks Speaks
	for name, want := range map[string]Speaks{"bolt": SpeaksBolt, "http2": SpeaksHTTP2, "grpc": SpeaksHTTP2, "all": SpeaksAll} {
		if err := speaks.UnmarshalText([]byte(name)); err != nil || speaks != want {
			t.Errorf("%s: %v, %v", name, speaks, err)
		}
	}
	if err := speaks.UnmarshalText([]byte("spdy")); err == nil {
		t.Error("spdy is a protocol")
	}
	for name, s := range map[string]Service{
		"speaks": {Speaks: 9}, "delay": {Delay: -1}, "never ending stall": {Stall: Stall{Every: 1, For: 1}},
		"error rate": {ErrorRate: 1.1}, "body": {Body: -1},
	} {
		if _, err := Serve(nil, "127.0.0.1:0", s); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// Messages are followed wherever the body is split.
func TestMessageFrames(t *testing.T) {
	body := append(message([]byte("first")), append(message(nil), message(randomBytes(300))...)...)
	ends := map[int]bool{0: true, 10: true, 15: true, len(body): true}
	for i := range len(body) + 1 {
		var f messageFrames
		f.take(body[:i])
		if f.torn() == ends[i] {
			t.Fatalf("torn at %d: %v", i, f.torn())
		}
		f.take(body[i:])
		if f.torn() {
			t.Fatalf("torn when split at %d", i)
		}
	}
}
