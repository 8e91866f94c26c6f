// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// remotePoll is how often a running process is looked at that is waited for.
const remotePoll = 50 * time.Millisecond

// remote says which running process is meant: by its admin address or its pid
// file, or by the configuration that names these.
type remote struct {
	Config  string        `short:"c" placeholder:"FILE" help:"Configuration of the running process, which names its admin address and pid file."`
	Admin   string        `placeholder:"HOST:PORT" help:"Admin address of the running process."`
	Pid     string        `placeholder:"FILE" help:"Pid file of the running process."`
	Timeout time.Duration `default:"60s" help:"How long to wait."`
}

// resolve completes what the command line says by the configuration.
func (r *remote) resolve() error {
	if r.Config != "" {
		c, err := load(r.Config)
		if err != nil {
			return fmt.Errorf("%w; name the process by --admin or --pid", err)
		}
		if r.Admin == "" && r.Pid == "" {
			r.Admin, r.Pid = c.Admin.Address, c.PidFile
		}
	}
	if r.Admin == "" && r.Pid == "" {
		return errors.New("which process? Name it by --admin, --pid, or a configuration with admin or pid by -c")
	}
	return nil
}

// call asks the admin server and returns its answer's text.
func (r *remote) call(ctx context.Context, method, path string) (int, string, error) {
	q, err := http.NewRequestWithContext(ctx, method, "http://"+r.Admin+path, nil)
	if err != nil {
		return 0, "", err
	}
	reply, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0, "", err
	}
	defer reply.Body.Close()
	const limit = 1 << 20 // of an answer for people
	text, err := io.ReadAll(io.LimitReader(reply.Body, limit))
	return reply.StatusCode, string(text), err
}

// process is the id in the pid file.
func (r *remote) process() (int, error) {
	text, err := os.ReadFile(r.Pid)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("%s holds no process id", r.Pid)
	}
	return pid, nil
}

// until polls until done, an error, or the timeout.
func (r *remote) until(what string, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(context.Background(), r.Timeout)
	defer cancel()
	for {
		if ok, err := done(ctx); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s within %v", what, r.Timeout)
		case <-time.After(remotePoll):
		}
	}
}

type reloadCommand struct{ remote }

// Run has the running process read its file again. Only through the admin server
// is it known what came of it.
func (c *reloadCommand) Run() error {
	if err := c.resolve(); err != nil {
		return err
	}
	if c.Admin == "" {
		pid, err := c.process()
		if err != nil {
			return err
		}
		if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
			return fmt.Errorf("process %d: %w", pid, err)
		}
		fmt.Printf("process %d was told to reload; its log says what changed\n", pid)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.Timeout)
	defer cancel()
	status, text, err := c.call(ctx, http.MethodPost, "/reload")
	if err != nil {
		return err
	}
	fmt.Print(text)
	if status != http.StatusOK {
		return errors.New("the reload failed")
	}
	return nil
}

type stopCommand struct{ remote }

// Run has the running process drain and end, and waits until it has.
func (c *stopCommand) Run() error {
	if err := c.resolve(); err != nil {
		return err
	}
	if c.Pid == "" {
		return c.stopByAdmin()
	}
	pid, err := c.process()
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	return c.until(fmt.Sprintf("process %d has not ended", pid), func(context.Context) (bool, error) {
		return ended(pid), nil
	})
}

// ended tells whether a process has ended, though its parent may not have asked
// how.
func ended(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	// The state follows the name, which may hold anything (proc(5)).
	_, state, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	return strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X")
}

// stopByAdmin takes the process for ended when its admin server is.
func (c *stopCommand) stopByAdmin() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.Timeout)
	defer cancel()
	status, text, err := c.call(ctx, http.MethodPost, "/drain?exit=true")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("status %d: %s", status, strings.TrimSpace(text))
	}
	return c.until("the process has not ended", func(ctx context.Context) (bool, error) {
		_, _, err := c.call(ctx, http.MethodGet, "/version")
		return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET), nil
	})
}

type upgradeCommand struct {
	remote
	Binary string `placeholder:"PATH" help:"Program of the new process. Default: the file that the running one was started from, as it is now."`
}

// Run has a new process take over. Only through the admin server is it known why
// it does not.
func (c *upgradeCommand) Run() error {
	if err := c.resolve(); err != nil {
		return err
	}
	if c.Admin == "" {
		return c.upgradeByPid()
	}
	path := "/upgrade"
	if c.Binary != "" {
		binary, err := filepath.Abs(c.Binary)
		if err != nil {
			return err
		}
		path += "?" + url.Values{"binary": {binary}}.Encode()
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.Timeout)
	defer cancel()
	status, text, err := c.call(ctx, http.MethodPost, path)
	if err != nil {
		return err
	}
	fmt.Print(text)
	if status != http.StatusOK {
		return errors.New("the upgrade failed")
	}
	return nil
}

// upgradeByPid waits until the pid file names another process.
func (c *upgradeCommand) upgradeByPid() error {
	if c.Binary != "" {
		return errors.New("--binary needs the admin server; a signal cannot name a program")
	}
	old, err := c.process()
	if err != nil {
		return err
	}
	if err := syscall.Kill(old, syscall.SIGUSR2); err != nil {
		return fmt.Errorf("process %d: %w", old, err)
	}
	pid := old
	err = c.until(fmt.Sprintf("process %d was not replaced, as its log says why,", old), func(context.Context) (bool, error) {
		pid, err = c.process()
		return err == nil && pid != old, nil
	})
	if err == nil {
		fmt.Printf("process %d has taken over\n", pid)
	}
	return err
}

type waitCommand struct{ remote }

// Run waits until the process is ready.
func (c *waitCommand) Run() error {
	if err := c.resolve(); err != nil {
		return err
	}
	if c.Admin == "" {
		return errors.New("waiting needs an admin address")
	}
	return c.until("the process is not ready", func(ctx context.Context) (bool, error) {
		status, _, err := c.call(ctx, http.MethodGet, "/ready")
		return err == nil && status == http.StatusOK, nil
	})
}
