// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
)

// startCommand runs a command that serves until the test ends and returns the
// first line that it prints.
func startCommand(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	in, out := io.Pipe()
	ended := make(chan int, 1)
	var problem bytes.Buffer
	go func() {
		ended <- run(ctx, args, out, &problem)
		_ = out.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != exitOK {
			t.Errorf("%v ended with %d: %s", args, code, &problem)
		}
	})
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		t.Fatalf("%v printed %q, %v", args, line, err)
	}
	return line
}

func TestRelayCommand(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	line := startCommand(t, "relay", "127.0.0.1:0", l.Addr().String())
	words := strings.Fields(line)
	if len(words) != 4 || words[0] != "relaying" || words[3] != l.Addr().String() {
		t.Fatalf("printed %q", line)
	}
	client, err := net.Dial("tcp", words[1])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	got := make([]byte, 2)
	if _, err := client.Write([]byte("hi")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(server, got); err != nil || string(got) != "hi" {
		t.Fatalf("%q arrives, %v", got, err)
	}
}

func TestSuiteRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		args string
		code int
		want string
	}{
		{"unknown scenario", "suite --scenario nonsense", exitFail, "bolt-128, bolt-1k, "},
		{"no second Sideloop", "suite --sideloop-b /nowhere/sideloop", exitFail, "/nowhere/sideloop"},
		{"no Sideloop", "suite --sideloop /nowhere/sideloop", exitFail, "/nowhere/sideloop"},
		{"unknown way", "suite --ways envoy", exitFail, "there are sideloop, sideloop-b, "},
		{"unknown peer", "suite --peer envoy", exitFail, "there are sideloop, "},
		{"no rounds", "suite --rounds 0", exitFail, "rounds"},
		{"no time", "suite --seconds 0.1", exitFail, "measurement"},
		{"unwritable report", "suite --html /dev/null/x", exitFail, "/dev/null/x"},
		{"unwritable table", "suite --markdown /nowhere/x", exitFail, "/nowhere/x"},
		{"relay to nothing", "relay 127.0.0.1:0 nowhere", exitFail, "relay target"},
		{"relay without target", "relay 127.0.0.1:0", exitUsage, "<target>"},
		{"reverse proxy to nothing", "reverseproxy 127.0.0.1:0 nowhere", exitFail, "missing port"},
		{"a negative body", "http1echo 127.0.0.1:0 --body=-1", exitFail, "negative"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, err := loopbench(t, strings.Fields(c.args)...)
			if code != c.code || out != "" || !strings.Contains(err, c.want) || !strings.HasPrefix(err, "loopbench: ") {
				t.Fatalf("exit code %d, want %d; printed %q and %q, want %q", code, c.code, out, err, c.want)
			}
		})
	}
}
