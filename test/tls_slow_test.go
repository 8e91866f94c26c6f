// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"crypto/tls"
	"net"
	"runtime"
	"testing"

	"github.com/sideloop/sideloop/eventloop"
)

// recorder is a connection that keeps what is written.
type recorder struct {
	net.Conn
	written bytes.Buffer
}

func (r *recorder) Write(b []byte) (int, error) { return r.written.Write(b) }

// clientHello is the first message of a handshake as a client sends it.
func (m *mesh) clientHello() []byte {
	near, far := net.Pipe()
	far.Close() // so that no answer is waited for
	r := &recorder{Conn: near}
	if err := tls.Client(r, m.clientConfig("h2")).Handshake(); err == nil {
		m.t.Fatal("a handshake with nobody")
	}
	near.Close()
	return r.written.Bytes()
}

// held is memory and goroutines of this process.
func held() (bytes uint64, goroutines int) {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapInuse + s.StackInuse, runtime.NumGoroutine()
}

// Clients that send their ClientHello a byte at a time and leave in the middle of
// it, or never, are bounded in number, goroutines and memory. A citizen beside them
// notices nothing, newcomers get in, and in the end everything is given back.
func TestTLSSlowHandshakes(t *testing.T) {
	const (
		wave      = 50
		ownFiles  = 2000     // slow connections of ours at once
		perShake  = 48 << 10 // stack, buffers and a ClientHello
		allowance = 16 << 20
	)
	m := newMesh(t)
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}, tls: m.toClients("")}))
	citizen := m.dialBolt(p.address("in"))
	if err := echoOnce(citizen, "before"); err != nil {
		t.Fatal(err)
	}
	hello := m.clientHello()
	memory, goroutines := held()
	type client struct {
		net.Conn
		sent int
	}
	var slow []*client
	defer func() {
		for _, c := range slow {
			c.Close()
		}
	}()
	total := scale(400)
	for begun := 0; begun < total; begun += wave {
		for range wave {
			c, err := net.Dial("tcp", p.address("in"))
			if err != nil {
				t.Fatal(err)
			}
			slow = append(slow, &client{Conn: c})
		}
		kept := slow[:0]
		for i, c := range slow {
			// Those that were given up already are found out by and by.
			_, err := c.Write(hello[c.sent : c.sent+1])
			c.sent++
			if err != nil || c.sent == len(hello)-1 || i < len(slow)-ownFiles || (i+begun)%97 == 0 {
				c.Close()
				continue
			}
			kept = append(kept, c)
		}
		slow = kept
		if err := echoOnce(citizen, "still here"); err != nil {
			t.Fatal(err)
		}
		newcomer := m.dialBolt(p.address("in"))
		if err := echoOnce(newcomer, "new here"); err != nil {
			t.Fatal(err)
		}
		newcomer.close()
		bytes, running := held()
		if running > goroutines+eventloop.HandshakesAtOnce+wave+200 {
			t.Fatalf("%d goroutines, %d before", running, goroutines)
		}
		if bytes > memory+allowance+eventloop.HandshakesAtOnce*perShake {
			t.Fatalf("%d bytes are held, %d before", bytes, memory)
		}
	}
	for _, c := range slow {
		c.Close()
	}
	slow = nil
	eventually(t, "every handshake has ended in some way", func() bool {
		n := uint64(0)
		for _, o := range eventloop.HandshakeOutcomes()[1:] {
			n += p.Handshakes(o)
		}
		return n == uint64(total)
	})
	eventually(t, "the goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines+5 })
	if bytes, _ := held(); bytes > memory+allowance {
		t.Errorf("%d bytes are held in the end, %d before", bytes, memory)
	}
	if err := echoOnce(citizen, "after"); err != nil {
		t.Error(err)
	}
	p.wantNothingHeld()
}

// Once its handshake is done a connection has no goroutine, however many there are.
func TestTLSConnectionsHaveNoGoroutine(t *testing.T) {
	m := newMesh(t)
	echo := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{echo.address()}, tls: m.toClients(mutual)}))
	before := runtime.NumGoroutine()
	n := scale(100)
	for range min(n, 2000) {
		c, err := tls.Dial("tcp", p.address("in"), m.clientConfig())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	eventually(t, "only the connections are left", func() bool {
		return p.Handshakes(eventloop.HandshakeDone) == uint64(min(n, 2000)) && runtime.NumGoroutine() <= before+5
	})
}
