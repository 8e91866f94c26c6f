// SPDX-License-Identifier: Apache-2.0

//go:build interop

// Package interop runs SOFARPC for Node.js through the proxy. Its peers are
// installed by scripts/interop.sh.
package interop

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// caseTimeout bounds the run of one client.
const caseTimeout = 90 * time.Second

// start runs a command until the test's end.
func start(t *testing.T, name string, args ...string) *bufio.Scanner {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGKILL)
		cmd.Wait()
	})
	return bufio.NewScanner(out)
}

// waitFor waits until somebody listens on the address.
func waitFor(t *testing.T, address string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody listens on %s: %v", address, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// startSeed runs the seed's configuration, unmodified.
func startSeed(t *testing.T) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "sideloop")
	if out, err := exec.Command("go", "build", "-o", binary, "../../cmd/sideloop").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	start(t, binary, "start", "-c", "../../examples/seed/config.json")
	waitFor(t, "127.0.0.1:2045")
	waitFor(t, "127.0.0.1:2046")
}

// startService runs the SOFARPC service where the seed expects it.
func startService(t *testing.T) {
	t.Helper()
	lines := start(t, "node", "server.js", "8080")
	if !lines.Scan() || lines.Text() != "ready" {
		t.Fatalf("the service said %q", lines.Text())
	}
}

// runClient runs every case against an address and reports each as a subtest.
func runClient(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), caseTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "node", "client.js", address).CombinedOutput()
	cases := 0
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		name, ok := strings.CutPrefix(line, "ok ")
		if !ok {
			name, _, _ = strings.Cut(strings.TrimPrefix(line, "failed "), ":")
		}
		cases++
		t.Run(name, func(t *testing.T) {
			if !ok {
				t.Error(line)
			}
		})
	}
	if err != nil || cases != 7 {
		t.Fatalf("%d cases ran, %v:\n%s", cases, err, out)
	}
}

func TestSofaRPCThroughTheSeedChain(t *testing.T) {
	startService(t)
	startSeed(t)
	runClient(t, "127.0.0.1:2045")
}
