// SPDX-License-Identifier: Apache-2.0

//go:build tools

package test

import (
	"bytes"
	"fmt"
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

// bulkFile is the bulk tests' body in a file.
func bulkFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, bulkBody(), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// output runs a peer's program and returns what it printed on its standard
// output, and the checksum of that.
func output(t *testing.T, name string, args ...string) (text, sum string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, &complaints)
	}
	return string(out), sumOf(bytes.NewReader(out))
}

// The tools move 100 MB in each direction, and in both at once, unharmed.
func TestBulkWithTools(t *testing.T) {
	p := bulkProxy(t)
	at, file := "http://"+p.address("in"), bulkFile(t)
	for _, tool := range []struct {
		name    string
		args    []string
		content []string
	}{
		{"curl", []string{"-sS", "--fail", "--max-time", "60", "--http2-prior-knowledge"}, []string{"--data-binary", "@" + file}},
		{"nghttp", []string{"-t", "60"}, []string{"-d", file}},
	} {
		post := append(tool.args, tool.content...)
		if _, sum := output(t, tool.name, append(tool.args, at+"/download")...); sum != bulkSum() {
			t.Errorf("%s: the download's checksum is %s", tool.name, sum)
		}
		if sum, _ := output(t, tool.name, append(post, at+"/upload")...); sum != bulkSum() {
			t.Errorf("%s: the upload's checksum is %s", tool.name, sum)
		}
		if _, sum := output(t, tool.name, append(post, at+"/echo")...); sum != bulkSum() {
			t.Errorf("%s: the echo's checksum is %s", tool.name, sum)
		}
	}
	p.wantOK(6)
	// h2load drops what it reads, so that only its length can be compared; the
	// service has the checksum of what it sent.
	for path, size := range map[string]int{"/download": bulkSize, "/upload": len(bulkSum()), "/echo": bulkSize} {
		args := []string{"-n", "1", "-c", "1"}
		if path != "/download" {
			args = append(args, "-d", file)
		}
		out := run(t, "h2load", append(args, at+path)...)
		if !strings.Contains(out, "1 succeeded, 0 failed, 0 errored, 0 timeout") || !strings.Contains(out, fmt.Sprintf("(%d) data", size)) {
			t.Errorf("%s:\n%s", path, out)
		}
	}
	p.wantOK(9)
}

// h2load keeps a thousand streams of one connection open.
func TestThousandStreamsOfH2load(t *testing.T) {
	p := toolsProxy(t)
	for _, listener := range []string{"h2", "bolt"} {
		out := run(t, "h2load", "-n", fmt.Sprint(scale(20_000)), "-c", "1", "-m", "1000", "-H", "service: "+service, "http://"+p.address(listener)+"/")
		if !strings.Contains(out, fmt.Sprintf("%d succeeded, 0 failed, 0 errored, 0 timeout", scale(20_000))) {
			t.Errorf("%s:\n%s", listener, out)
		}
	}
	p.wantOK(2 * scale(20_000))
}
