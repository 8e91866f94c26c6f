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
)

// run runs a peer's program and returns what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// toolsProxy has an HTTP/2 and a Bolt service behind HTTP/2 listeners.
func toolsProxy(t *testing.T) *proxy {
	h2 := startH2Service(t, "127.0.0.1:0", echoH2)
	bolt := startBoltService(t, "127.0.0.1:0", echoBolt)
	return startProxy(t, configOf(
		hop{name: "h2", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{h2.address()}, match: anyRequest},
		hop{name: "bolt", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{bolt.address()}},
	))
}

func TestCurl(t *testing.T) {
	p := toolsProxy(t)
	file := filepath.Join(t.TempDir(), "body")
	back := file + ".back"
	if err := os.WriteFile(file, body(3<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, listener := range []string{"h2", "bolt"} {
		run(t, "curl", "-sS", "--fail", "--max-time", "20", "--http2-prior-knowledge", "-H", "service: "+service,
			"--data-binary", "@"+file, "-o", back, "http://"+p.address(listener)+"/echo")
		if b, err := os.ReadFile(back); err != nil || !bytes.Equal(b, body(3<<20)) {
			t.Errorf("%s: %d bytes came back, %v", listener, len(b), err)
		}
	}
	out := run(t, "curl", "-sS", "--max-time", "20", "--http2-prior-knowledge", "-i", "http://"+p.address("bolt")+"/")
	for _, want := range []string{"HTTP/2 404", "x-sideloop-reason: no_route", "no_route: "} {
		if !strings.Contains(out, want) {
			t.Errorf("a request that names no service gets\n%s", out)
		}
	}
	p.wantNothingHeld()
}

func TestNghttp(t *testing.T) {
	p := toolsProxy(t)
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, body(1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, listener := range []string{"h2", "bolt"} {
		// nghttp pads its frames and sends trailers here.
		out, err := exec.Command("nghttp", "-t", "20", "-b", "200", "--trailer", "x-last: 1", "-H", "service: "+service,
			"-d", file, "http://"+p.address(listener)+"/echo").Output()
		if err != nil || !bytes.Equal(out, body(1<<20)) {
			t.Errorf("%s: %d bytes came back, %v", listener, len(out), err)
		}
	}
	p.wantNothingHeld()
}

func TestH2load(t *testing.T) {
	p := toolsProxy(t)
	for _, listener := range []string{"h2", "bolt"} {
		out := run(t, "h2load", "-n", "5000", "-c", "4", "-m", "100", "-H", "service: "+service, "http://"+p.address(listener)+"/")
		if !strings.Contains(out, "5000 succeeded, 0 failed, 0 errored, 0 timeout") {
			t.Errorf("%s:\n%s", listener, out)
		}
	}
	p.wantOK(10_000)
}
