// SPDX-License-Identifier: Apache-2.0

//go:build peers

package test

import (
	"bytes"
	"io"
	"net"
	"os/exec"
	"testing"

	"github.com/sideloop/sideloop/eventloop"
)

// startNghttpx runs a proxy of nghttp2's between an address of TLS and a backend,
// whose further parameters begin with a semicolon each.
func (m *mesh) startNghttpx(backend, parameters string, args ...string) (address string) {
	m.t.Helper()
	address = freeAddress(m.t)
	ca, certificate, key := m.files(m.host)
	host, port, _ := net.SplitHostPort(address)
	backendHost, backendPort, _ := net.SplitHostPort(backend)
	cmd := exec.Command("nghttpx", append(args,
		"--conf=/dev/null", "--frontend="+host+","+port, "--backend="+backendHost+","+backendPort+";;proto=h2"+parameters,
		"--cacert="+ca, "--workers=1", "--single-process", "--errorlog-file=/dev/stderr", "--log-level=WARN", key, certificate)...)
	var said lockedBuffer
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if m.t.Failed() {
			m.t.Logf("nghttpx said: %s", &said)
		}
	})
	eventually(m.t, "nghttpx listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return address
}

// nghttpx is a host that wants the proxy's certificate, and a client that has one:
// both speak h2, as ALPN says, and every size of body passes all of them.
func TestTLSWithNghttpx(t *testing.T) {
	m := newMesh(t)
	service := startH2Service(t, "127.0.0.1:0", echoH2)
	ca, certificate, key := m.files(m.client)
	host := m.startNghttpx(service.address(), "", "--verify-client", "--verify-client-cacert="+ca)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{host}, match: anyRequest, tls: m.toClients(mutual), clusterKV: m.toHosts("")}))
	front := m.startNghttpx(p.address("in"), ";tls;sni=proxy", "--client-cert-file="+certificate, "--client-private-key-file="+key)
	config := m.clientConfig("h2")
	config.ServerName = "host"
	c := m.h2Client(config)
	for _, n := range []int{0, 1, 1 << 20} {
		if r := postH2(t, c, front, body(n), true, nil); r.status != 200 || !bytes.Equal(r.body, body(n)) {
			t.Errorf("%d bytes: status %d, %d bytes back", n, r.status, len(r.body))
		}
	}
	p.wantOK(3)
	if n := p.Handshakes(eventloop.HandshakeDone); n == 0 {
		t.Error("there was no handshake")
	}
}
