// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// startTimeout is far over what any peer takes to listen.
	startTimeout = 20 * time.Second
	// retryEvery is the pause between attempts to connect to a process that
	// starts.
	retryEvery = 5 * time.Millisecond
	// outputDelay is for output that a killed process's children hold open.
	outputDelay = time.Second
	// tailSize is how much of a process's output an error can show.
	tailSize = 2 << 10
)

// process is a child process in a group of its own.
type process struct {
	name   string
	cmd    *exec.Cmd
	output tail
	ended  chan struct{}
	err    error // valid once ended is closed
}

// start runs c, which the caller stops.
func (r *runner) start(name string, c *exec.Cmd, at place) (*process, error) {
	p := &process{name: name, cmd: c, ended: make(chan struct{})}
	c.Stdout, c.Stderr, c.WaitDelay = &p.output, &p.output, outputDelay
	if err := r.machine.start(c, at); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = c.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stop kills the process and all that it has started. They have nothing to save.
func (p *process) stop() {
	// A group that has gone is stopped.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// wait waits until the process ends by itself; an error has its last words.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.ended:
		if p.err != nil {
			return p.failure(p.err)
		}
		return nil
	case <-ctx.Done():
		p.stop()
		return ctx.Err()
	}
}

// alive is an error if the process has ended.
func (p *process) alive() error {
	select {
	case <-p.ended:
		return p.failure(errors.Join(errors.New("ended"), p.err))
	default:
		return nil
	}
}

func (p *process) failure(err error) error {
	text := oneLine(err)
	if said := p.output.String(); said != "" {
		return fmt.Errorf("%s: %s: %s", p.name, text, said)
	}
	return fmt.Errorf("%s: %s", p.name, text)
}

// oneLine is err for a table's cell.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", ": ") }

// listening waits until the process accepts connections at address.
func (p *process) listening(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.ended:
			return p.alive()
		case <-ctx.Done():
			return p.failure(fmt.Errorf("does not listen on %s: %w", address, ctx.Err()))
		case <-time.After(retryEvery):
		}
	}
}

// tail keeps the end of what a process prints.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if cut := len(t.buf) - tailSize; cut > 0 {
		t.buf = append(t.buf[:0], t.buf[cut:]...)
	}
	return len(b), nil
}

// String is the last line that is not empty.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := bytes.TrimSpace(t.buf)
	return strings.TrimSpace(string(b[bytes.LastIndexByte(b, '\n')+1:]))
}
