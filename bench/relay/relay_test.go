// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what should happen soon.
const patience = 20 * time.Second

// start runs a relay to target until the test ends.
func start(t *testing.T, target string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() { ended <- Run(ctx, "127.0.0.1:0", target, func(a net.Addr) { ready <- a }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the relay ended with %v", err)
		}
	})
	select {
	case a := <-ready:
		return a.String()
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
		return ""
	}
}

func listen(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

// through returns both ends of a connection through a relay.
func through(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	l := listen(t)
	client = dial(t, start(t, l.Addr().String()))
	_ = l.SetDeadline(time.Now().Add(patience))
	server, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	_ = server.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { _ = server.Close() })
	return client, server
}

func dial(t *testing.T, address string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { _ = c.Close() })
	return c.(*net.TCPConn)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(int64(n))).Read(b)
	return b
}

func want(t *testing.T, from io.Reader, b []byte) {
	t.Helper()
	got := make([]byte, len(b))
	if _, err := io.ReadFull(from, got); err != nil || !bytes.Equal(got, b) {
		t.Fatalf("%d bytes do not arrive as they were sent: %v", len(b), err)
	}
}

func wantEOF(t *testing.T, from io.Reader) {
	t.Helper()
	if n, err := from.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("read %d bytes and %v, want the end", n, err)
	}
}

func send(t *testing.T, to io.Writer, b []byte) {
	t.Helper()
	if _, err := to.Write(b); err != nil {
		t.Fatal(err)
	}
}

func TestBytesBothWays(t *testing.T) {
	client, server := through(t)
	for _, n := range []int{1, readSize - 1, readSize, readSize + 1} {
		b := random(n)
		send(t, client, b)
		want(t, server, b)
		send(t, server, b)
		want(t, client, b)
	}
}

// Either end can finish and still receive.
func TestHalfClose(t *testing.T) {
	for _, c := range []struct {
		name  string
		order func(client, server *net.TCPConn) (first, last *net.TCPConn)
	}{
		{"client first", func(client, server *net.TCPConn) (*net.TCPConn, *net.TCPConn) { return client, server }},
		{"server first", func(client, server *net.TCPConn) (*net.TCPConn, *net.TCPConn) { return server, client }},
	} {
		t.Run(c.name, func(t *testing.T) {
			first, last := c.order(through(t))
			b := random(3 * readSize)
			send(t, first, b[:10])
			if err := first.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			want(t, last, b[:10])
			wantEOF(t, last)
			go func() {
				_, _ = last.Write(b)
				_ = last.CloseWrite()
			}()
			want(t, first, b)
			wantEOF(t, first)
		})
	}
}

// A FIN waits for the bytes before it, although the end that sent them has
// gone from both directions.
func TestHeldBytesBeforeFIN(t *testing.T) {
	client, server := through(t)
	b := random(48 << 20)
	sent := make(chan error, 1)
	go func() {
		_, err := client.Write(b)
		sent <- errors.Join(err, client.CloseWrite())
	}()
	want(t, server, b[:1])
	if err := server.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	wantEOF(t, client)
	want(t, server, b[1:])
	wantEOF(t, server)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// A sink that does not read stops its source: the kernel's buffers and
// readSize is all that is taken.
func TestSlowReaderStopsSource(t *testing.T) {
	client, server := through(t)
	// What both sides' kernel buffers can hold at most.
	const bound = 64 << 20
	_ = client.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	sent, chunk := 0, random(1<<20)
	for sent < bound {
		n, err := client.Write(chunk)
		sent += n
		if err != nil {
			break
		}
	}
	if sent >= bound {
		t.Fatalf("%d bytes were taken from the client while the server read nothing", sent)
	}
	_ = client.CloseWrite()
	n, err := io.Copy(io.Discard, server)
	if err != nil || n != int64(sent) {
		t.Fatalf("%d of %d bytes arrived: %v", n, sent, err)
	}
}

// What fails at one end does not look complete at the other.
func TestResetIsPassedOn(t *testing.T) {
	client, server := through(t)
	send(t, client, []byte("x"))
	want(t, server, []byte("x"))
	_ = server.SetLinger(0)
	_ = server.Close()
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("the client reads %v, want a reset", err)
	}
}

func TestTargetDown(t *testing.T) {
	l := listen(t)
	address := start(t, l.Addr().String())
	_ = l.Close()
	// The reset may be faster than the client.
	c, err := net.DialTimeout("tcp", address, patience)
	if err == nil {
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(patience))
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("the client gets %v, want a reset", err)
	}
}

func TestManyConnections(t *testing.T) {
	l := listen(t)
	address := start(t, l.Addr().String())
	var servers sync.WaitGroup
	servers.Go(func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			servers.Go(func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	var clients sync.WaitGroup
	for i := range 200 {
		c := dial(t, address)
		clients.Go(func() {
			b := random(1000 + i)
			for range 20 {
				got := make([]byte, len(b))
				if _, err := c.Write(b); err != nil {
					t.Errorf("connection %d: %v", i, err)
				}
				if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, b) {
					t.Errorf("connection %d: %v", i, err)
				}
			}
			_ = c.Close()
		})
	}
	clients.Wait()
	_ = l.Close()
	servers.Wait()
}

func TestBadAddresses(t *testing.T) {
	taken := listen(t).Addr().String()
	for _, c := range []struct{ name, listen, target, want string }{
		{"listener without a port", "127.0.0.1", taken, "relay listener: "},
		{"target without a port", "127.0.0.1:0", "127.0.0.1", "relay target: "},
		{"taken", taken, taken, "address already in use"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Run(t.Context(), c.listen, c.target, func(net.Addr) { t.Error("it says that it is ready") })
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("the error is %v, want %q", err, c.want)
			}
		})
	}
}

func TestIPv6(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	client := dial(t, start(t, l.Addr().String()))
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	send(t, server, []byte("six"))
	want(t, client, []byte("six"))
}
