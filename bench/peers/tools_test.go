// SPDX-License-Identifier: Apache-2.0

//go:build peers

package peers

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sideloop/sideloop/test/authority"
)

// checks are the check modes of the programs that have one.
var checks = map[string]func(config string) []string{
	"haproxy-tcp": func(config string) []string { return []string{"-c", "-f", config} },
	"haproxy-h2":  func(config string) []string { return []string{"-c", "-f", config} },
	"nginx":       func(config string) []string { return []string{"-t", "-e", "stderr", "-c", config} },
	"h2o":         func(config string) []string { return []string{"-t", "-c", config} },
}

// Every foreign proxy that is installed accepts its configuration and carries
// bytes with it.
func TestInstalledPeers(t *testing.T) {
	found := 0
	for _, p := range All() {
		program, missing := p.Find(Programs{})
		if program == "" {
			t.Logf("%s is left out: %s", p.Name, missing)
			continue
		}
		found++
		t.Run(p.ID, func(t *testing.T) { carry(t, p, program) })
		if p.TLS {
			t.Run(p.ID+"/tls", func(t *testing.T) { checkTLS(t, p, program) })
		}
	}
	if found == 0 {
		t.Fatal("no proxy is installed; make bench-deps installs them")
	}
}

// checkTLS has the program judge its configuration with TLS. That it carries bytes
// with it is what the suite's own test shows.
func checkTLS(t *testing.T, p *Peer, program string) {
	check := checks[p.ID]
	if check == nil {
		return
	}
	dir := t.TempDir()
	pair := authority.New(t, "authority")
	own := pair.Issue(t, "127.0.0.1", "localhost")
	for name, text := range map[string]string{CertificateFile: own.Certificate, KeyFile: own.Key, AuthorityFile: pair.PEM} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := Hop{Listen: "127.0.0.1:1", Target: "127.0.0.1:2", Down: HTTP2, Up: HTTP2, DownTLS: true, UpTLS: true}
	if _, err := p.Command(program, dir, h); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(program, check(dir+"/"+p.ID+".conf")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func carry(t *testing.T, p *Peer, program string) {
	target := startHTTP2Echo(t)
	if p.HTTP1 {
		target = startHTTP1Echo(t, 0)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	dir := t.TempDir()
	c, err := p.Command(program, dir, Hop{Listen: address, Target: target, Down: HTTP2, Up: HTTP2})
	if err != nil {
		t.Fatal(err)
	}
	if check := checks[p.ID]; check != nil {
		if out, err := exec.Command(program, check(dir+"/"+p.ID+".conf")...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed
	}()
	listening(t, address)
	for _, n := range []int{1, 1 << 10, 1 << 20} {
		wantEcho(t, address, true, n)
	}
}

// listening waits until somebody accepts connections at address.
func listening(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
