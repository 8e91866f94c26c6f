// SPDX-License-Identifier: Apache-2.0

//go:build tools

package test

import (
	"bufio"
	"bytes"
	"io"
	"os/exec"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
)

// openssl is s_client or s_server, which the test talks to.
type openssl struct {
	t     *testing.T
	stdin io.Writer
	lines *bufio.Reader
	ended chan error
}

func startOpenSSL(t *testing.T, args ...string) *openssl {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &openssl{t, stdin, bufio.NewReader(out), make(chan error, 1)}
	go func() {
		err := cmd.Wait()
		in.Close()
		s.ended <- err
	}()
	kill := time.AfterFunc(waitLimit, func() { cmd.Process.Kill() })
	t.Cleanup(func() {
		kill.Stop()
		stdin.Close()
		cmd.Process.Kill()
		out.Close()
	})
	return s
}

func startSClient(t *testing.T, address string, args ...string) *openssl {
	t.Helper()
	return startOpenSSL(t, append([]string{"s_client", "-connect", address}, args...)...)
}

// until reads up to a text and tells whether it came.
func (s *openssl) until(text string) bool {
	var seen []byte
	for !bytes.HasSuffix(seen, []byte(text)) {
		b, err := s.lines.ReadByte()
		if err != nil {
			return false
		}
		seen = append(seen, b)
	}
	return true
}

// A client that asks for another handshake, encrypted as TLS 1.2 has it, is told
// that this is unexpected; it is counted, and no other client notices.
func TestTLSRenegotiationByAClient(t *testing.T) {
	m := newMesh(t)
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}, tls: m.toClients(mutual)}))
	other := m.dialBolt(p.address("in"))
	wantEchoOn(t, other)
	ca, certificate, key := m.files(m.client)
	s := startSClient(t, p.address("in"), "-CAfile", ca, "-cert", certificate, "-key", key, "-tls1_2")
	f := newBoltRequest(service, []byte("before"))
	s.stdin.Write(f.encode())
	if !s.until("before") {
		t.Fatal("the request was not answered")
	}
	s.stdin.Write([]byte("R\n"))
	if !s.until("RENEGOTIATING") {
		t.Fatal("openssl did not try")
	}
	if !s.until("unexpected message") {
		t.Error("the client is not told why")
	}
	if err := <-s.ended; err == nil {
		t.Error("the renegotiation succeeded")
	}
	eventually(t, "it is counted", func() bool { return p.stats().Glitches(eventloop.CauseTLS.String()) == 1 })
	if n := p.Handshakes(eventloop.HandshakeDone); n != 2 {
		t.Errorf("%d handshakes of two clients", n)
	}
	wantEchoOn(t, other)
	p.wantOK(3)
}

// A host that asks for another handshake loses the connection, and the request on
// it fails for a reason of its own.
func TestTLSRenegotiationByAHost(t *testing.T) {
	m := newMesh(t)
	ca, certificate, key := m.files(m.host)
	address := freeAddress(t)
	s := startOpenSSL(t, "s_server", "-accept", address, "-CAfile", ca, "-cert", certificate, "-key", key, "-tls1_2", "-no_ticket")
	if !s.until("ACCEPT") {
		t.Fatal("openssl does not listen")
	}
	good := startBoltServiceOn(t, tlsListener(t, m.hostConfig()), echoBolt)
	p := startProxy(t, configOf(
		hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{address}, clusterKV: m.toHosts("")},
		hop{name: "other", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{good.address()}, clusterKV: m.toHosts("")}))
	other := dialBolt(t, p.address("other"))
	wantEchoOn(t, other)
	wait := begin(dialBolt(t, p.address("in")), newBoltRequest(service, []byte("a request that is not answered")))
	if !s.until("is not answered") {
		t.Fatal("the request did not arrive")
	}
	s.stdin.Write([]byte("r\n"))
	if got := wait(); got != "status 6, 0 bytes" {
		t.Errorf("the request got %s", got)
	}
	p.wantEnded(codec.UpstreamTLSFailed, 1)
	if n := p.stats().Glitches(eventloop.CauseTLS.String()); n != 1 {
		t.Errorf("counted %d times", n)
	}
	wantEchoOn(t, other)
}
