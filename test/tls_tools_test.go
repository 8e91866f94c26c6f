// SPDX-License-Identifier: Apache-2.0

//go:build tools

package test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/eventloop"
)

// curl, h2load and nghttp agree on h2 and are served, with certificates and in
// either version of TLS.
func TestTLSTools(t *testing.T) {
	m := newMesh(t)
	up := startH2Service(t, "127.0.0.1:0", echoH2)
	p := startProxy(t, configOf(
		hop{name: "mutual", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest, tls: m.toClients(mutual)},
		hop{name: "open", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest, tls: m.toClients("")}))
	ca, certificate, key := m.files(m.client)
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, body(20<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{"1.2", "1.3"} {
		args := []string{"-sS", "--fail", "--max-time", "60", "--cacert", ca, "--cert", certificate, "--key", key,
			"--tlsv" + version, "--tls-max", version, "--data-binary", "@" + file, "https://" + p.address("mutual") + "/"}
		out, err := exec.Command("curl", args...).Output()
		if err != nil || !bytes.Equal(out, body(20<<20)) {
			t.Errorf("curl, TLS %s: %d bytes came back, %v", version, len(out), err)
		}
	}
	out := run(t, "h2load", "-n", "5000", "-c", "4", "-m", "100", "https://"+p.address("open")+"/")
	if !strings.Contains(out, "5000 succeeded, 0 failed, 0 errored, 0 timeout") || !strings.Contains(out, "Application protocol: h2") {
		t.Errorf("h2load:\n%s", out)
	}
	if out := run(t, "nghttp", "-v", "-t", "20", "https://"+p.address("open")+"/"); !strings.Contains(out, ":status: 200") {
		t.Errorf("nghttp:\n%s", out)
	}
	p.wantNothingHeld()
}

// openssl's client changes its keys and has ours changed, and resumes.
func TestTLSWithOpenSSL(t *testing.T) {
	m := newMesh(t)
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}, tls: m.toClients(mutual)}))
	ca, certificate, key := m.files(m.client)
	certificates := []string{"-CAfile", ca, "-cert", certificate, "-key", key, "-verify_return_error"}
	call := func(s *openssl, text string) {
		t.Helper()
		f := newBoltRequest(service, []byte(text))
		s.stdin.Write(f.encode())
		if !s.until(text) {
			t.Fatalf("%q was not answered", text)
		}
	}
	t.Run("key update", func(t *testing.T) {
		s := startSClient(t, p.address("in"), append(certificates, "-tls1_3")...)
		call(s, "before")
		for _, command := range []string{"K", "k", "K"} {
			s.stdin.Write([]byte(command + "\n"))
			if !s.until("KEYUPDATE") {
				t.Fatal("openssl did not update its keys")
			}
			call(s, "after "+command)
		}
	})
	t.Run("resumption", func(t *testing.T) {
		for _, version := range []string{"-tls1_2", "-tls1_3"} {
			session := filepath.Join(t.TempDir(), "session")
			s := startSClient(t, p.address("in"), append(certificates, version, "-sess_out", session)...)
			call(s, "first")
			eventually(t, "the session is written", func() bool { info, err := os.Stat(session); return err == nil && info.Size() > 0 })
			again := startSClient(t, p.address("in"), append(certificates, version, "-sess_in", session)...)
			if !again.until("Reused, ") {
				t.Errorf("%s: the session was not resumed", version)
			}
			call(again, "second")
		}
	})
	if n := p.Handshakes(eventloop.HandshakeDone); n != 5 {
		t.Errorf("%d handshakes", n)
	}
}
