// SPDX-License-Identifier: Apache-2.0

package test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"
)

// process is `sideloop start`, with the address that it is watched at.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	out     *lockedBuffer
	address string
}

// startProcess runs the proxy until it accepts at an address.
func startProcess(t *testing.T, address string, args ...string) *process {
	t.Helper()
	p := &process{t, sideloop(t, append([]string{"start"}, args...)...), new(lockedBuffer), address}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.cmd.Process.Kill()
			p.cmd.Wait()
		}
	})
	eventually(t, "the process answers at "+address, func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return p
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) wantEnd() {
	p.t.Helper()
	done := make(chan error, 1)
	go func() { done <- p.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			p.t.Errorf("%v: %s", err, p.out)
		}
	case <-time.After(waitLimit):
		p.cmd.Process.Kill()
		p.t.Fatalf("it does not end: %s", p.out)
	}
}

// status asks the process by GET.
func (p *process) status(path string) int {
	r, err := adminClient.Get("http://" + p.address + path)
	if err != nil {
		return 0
	}
	r.Body.Close()
	return r.StatusCode
}

func (p *process) post(path string) {
	p.t.Helper()
	r, err := adminClient.Post("http://"+p.address+path, "", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		p.t.Errorf("%s: %s", path, r.Status)
	}
}
