// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var builtBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sideloop")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sideloop")
	out, err := exec.Command("go", "build", "-o", path, "../cmd/sideloop").CombinedOutput()
	if err != nil {
		return string(out), err
	}
	return path, nil
})

func sideloop(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := builtBinary()
	if err != nil {
		t.Fatalf("%v: %s", err, path)
	}
	return exec.Command(path, args...)
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// lockedBuffer is what a process has printed so far.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startCommand runs `sideloop start` until it listens.
func startCommand(t *testing.T, config, address string) (*exec.Cmd, *lockedBuffer) {
	t.Helper()
	p := startProcess(t, address, "-c", config)
	return p.cmd, p.out
}

func TestSeedFileIsTheUsers(t *testing.T) {
	out, err := sideloop(t, "check", "-c", "../examples/seed/config.json").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "ok: 2 listeners, 2 routers, 2 clusters, 0 warnings") {
		t.Errorf("%v: %s", err, out)
	}
}

// Signals end the process in order, and a new one binds the same ports at once,
// also after a kill.
func TestSignalsAndRestart(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	address := freeAddress(t)
	config := writeConfig(t, configOf(hop{name: "in", listen: address, down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		cmd, out := startCommand(t, config, address)
		c := dialBolt(t, address)
		f := newBoltRequest(service, []byte("x"))
		wantBoltEcho(t, f, c.mustCall(t, f))
		cmd.Process.Signal(sig)
		err := cmd.Wait()
		if sig != syscall.SIGKILL && err != nil {
			t.Errorf("%v: %v\n%s", sig, err, out)
		}
		if _, err := c.call(f); err == nil {
			t.Errorf("%v: the connection still works", sig)
		}
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config := writeConfig(t, configOf(hop{name: "in", listen: l.Addr().String(), down: "SofaRpc", up: "SofaRpc", hosts: []string{"127.0.0.1:1"}}))
	out, err := sideloop(t, "start", "-c", config).CombinedOutput()
	if err == nil || !strings.Contains(string(out), `listener "in"`) || !strings.Contains(string(out), l.Addr().String()) ||
		!strings.Contains(string(out), "in use") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestBadConfigurations(t *testing.T) {
	good := configOf(hop{name: "in", listen: "127.0.0.1:1", down: "SofaRpc", up: "SofaRpc", hosts: []string{"127.0.0.1:1"}})
	for name, tt := range map[string]struct {
		config       string
		want         []string
		startRefuses bool
	}{
		"not json":     {"{", []string{":1:2: error:"}, true},
		"bad protocol": {strings.Replace(good, `"SofaRpc"`, `"SofaRcp"`, 1), []string{"error: servers[0].listeners[0].filter_chains[0].filters[0].config.downstream_protocol", `did you mean "SofaRpc"?`}, true},
		"bad regex":    {strings.Replace(good, `{"headers": [{"name": "service", "value": ".*"}]}`, `{"regex": "("}`, 1), []string{"error", "regex"}, true},
		"unknown key":  {strings.Replace(good, `"bind_port"`, `"bind_prot"`, 1), []string{"unknown key", `did you mean "bind_port"?`}, false},
		"several at once": {strings.Replace(strings.Replace(good, `"bind_port"`, `"bind_prot"`, 1), `"SofaRpc"`, `"X"`, 1),
			[]string{"bind_prot", "downstream_protocol"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeConfig(t, tt.config)
			out, err := sideloop(t, "check", "-c", path).CombinedOutput()
			if err == nil {
				t.Errorf("the check passes: %s", out)
			}
			for _, want := range tt.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("%q is missing in\n%s", want, out)
				}
			}
			if tt.startRefuses {
				if out, err := sideloop(t, "start", "-c", path).CombinedOutput(); err == nil {
					t.Errorf("it starts: %s", out)
				}
			}
		})
	}
}

func TestLogAndPidFiles(t *testing.T) {
	address := freeAddress(t)
	dir := t.TempDir()
	text := configOf(hop{name: "in", listen: address, down: "SofaRpc", up: "SofaRpc", hosts: []string{freeAddress(t)}})
	text = strings.Replace(text, `"default_log_path": "stderr", "default_log_level": "ERROR"`,
		`"default_log_path": "`+dir+`/main.log", "default_log_level": "INFO"`, 1)
	text = strings.Replace(text, `{"servers"`, `{"pid": "`+dir+`/run/pid", "servers"`, 1)
	text = strings.Replace(text, `"bind_port"`, `"log_path": "`+dir+`/in.log", "bind_port"`, 1)
	cmd, _ := startCommand(t, writeConfig(t, text), address)
	r := dialBolt(t, address).mustCall(t, newBoltRequest(service, nil))
	if r.status != 6 {
		t.Errorf("status %d", r.status)
	}
	pid := func() string {
		b, _ := os.ReadFile(dir + "/run/pid")
		return strings.TrimSpace(string(b))
	}
	if want := strconv.Itoa(cmd.Process.Pid); pid() != want {
		t.Errorf("the pid file says %q, want %q", pid(), want)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(waitLimit):
		t.Fatal("it does not stop")
	}
	if pid() != "" {
		t.Error("the pid file is still there")
	}
	main, _ := os.ReadFile(dir + "/main.log")
	in, _ := os.ReadFile(dir + "/in.log")
	if !strings.Contains(string(main), "msg=listening") || !strings.Contains(string(in), "reason=connect_failed") {
		t.Errorf("main log:\n%s\nlistener's log:\n%s", main, in)
	}
}
