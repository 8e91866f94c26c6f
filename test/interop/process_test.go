// SPDX-License-Identifier: Apache-2.0

//go:build interop

package interop

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// startLimit bounds how long a process may take to start, or to print a line
// that is waited for.
const startLimit = 30 * time.Second

// process is a child whose output is read line by line.
type process struct {
	owner *testing.T // at whose end it is killed
	args  []string
	ready func(t *testing.T, p *process)
	cmd   *exec.Cmd
	lines chan string
}

// start runs a command until the test's end. ready waits until it serves.
func start(t *testing.T, ready func(*testing.T, *process), args ...string) *process {
	t.Helper()
	p := &process{owner: t, args: args, ready: ready, cmd: exec.Command(args[0], args[1:]...), lines: make(chan string, 1000)}
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(p.kill)
	ready(t, p)
	return p
}

func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		p.cmd.Process.Kill()
		for range p.lines {
		}
		p.cmd.Wait()
	}
}

// restart kills the process and starts another like it.
func (p *process) restart(t *testing.T) *process {
	t.Helper()
	p.kill()
	next := start(p.owner, p.ready, p.args...)
	return next
}

// wantLine reads up to a line that is as told.
func (p *process) wantLine(t *testing.T, want string) {
	t.Helper()
	deadline, last := time.After(startLimit), ""
	for {
		select {
		case line, ok := <-p.lines:
			if line == want {
				return
			}
			if !ok {
				t.Fatalf("%v ended; its last line is %q", p.args, last)
			}
			last = line
		case <-deadline:
			t.Fatalf("%v does not print %q; its last line is %q", p.args, want, last)
		}
	}
}

// startNode runs a script; servers say that they are ready.
func startNode(t *testing.T, script string, args ...string) *process {
	t.Helper()
	ready := func(t *testing.T, p *process) {
		if script != "steady.js" {
			p.wantLine(t, "ready")
		}
	}
	return start(t, ready, append([]string{"node", script}, args...)...)
}

var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sideloop")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sideloop")
	out, err := exec.Command("go", "build", "-o", path, "../../cmd/sideloop").CombinedOutput()
	return path + string(out), err
})

// startProxy runs the proxy until its addresses are taken.
func startProxy(t *testing.T, config string, addresses ...string) *process {
	t.Helper()
	return startProxyWith(t, []string{"-c", config}, addresses...)
}

// startProxyWith is startProxy with other arguments.
func startProxyWith(t *testing.T, args []string, addresses ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err, path)
	}
	return start(t, func(t *testing.T, _ *process) {
		for _, a := range addresses {
			waitFor(t, a)
		}
	}, append([]string{path, "start"}, args...)...)
}

// startSidecar runs a proxy with one listener and one host.
func startSidecar(t *testing.T, name, down, listen, up, host string) *process {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".json")
	text := fmt.Sprintf(`{"servers": [{"default_log_path": "stderr", "default_log_level": "ERROR",
 "routers": [{"router_config_name": "r", "virtual_hosts": [{"name": "all", "domains": ["*"], "routers": [
  {"match": {"headers": [{"name": "service", "value": ".*"}]}, "route": {"cluster_name": "c"}}]}]}],
 "listeners": [{"name": %q, "address": %q, "bind_port": true, "filter_chains": [{"filters": [
  {"type": "proxy", "config": {"downstream_protocol": %q, "upstream_protocol": %q, "router_config_name": "r"}}]}]}]}],
 "cluster_manager": {"clusters": [{"name": "c", "keepalive": {"interval": "200ms"}, "hosts": [{"address": %q}]}]}}`, name, listen, down, up, host)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return startProxy(t, path, listen)
}

// waitFor waits until somebody listens on the address.
func waitFor(t *testing.T, address string) {
	t.Helper()
	deadline := time.Now().Add(startLimit)
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
