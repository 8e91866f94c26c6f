// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
)

type startCommand struct {
	Config      string        `short:"c" required:"" placeholder:"FILE" help:"Configuration file, JSON or YAML."`
	Concurrency int           `placeholder:"N" help:"Number of worker loops. Default: GOMAXPROCS, else the file's processor, else 2."`
	DrainTime   time.Duration `placeholder:"DURATION" help:"How long running requests may take to finish at the end. Default: the file's graceful_timeout, else 30s."`
	Watch       bool          `help:"Read the configuration again when the file changes, or a file of the directories that it names."`
	Zone        string        `placeholder:"NAME" env:"SIDELOOP_ZONE" help:"Zone that the proxy is in, for clusters with prefer_local_zone. Default: the file's node.locality.zone."`
}

// Run starts the proxy and serves until a signal: SIGTERM and the first SIGINT
// let requests in flight finish, any further signal ends at once. SIGHUP reads the
// configuration again, SIGUSR1 opens the logs again.
func (s *startCommand) Run() error {
	if s.Concurrency < 0 || s.DrainTime < 0 {
		return errors.New("--concurrency and --drain-time must be positive")
	}
	var w *watcher
	if s.Watch {
		w = newWatcher(s.Config) // before the file is read, so that no change is missed
	}
	file, c, problems, err := server.OpenFile(s.Config)
	printProblems(problems)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	defer server.ReturnMemory()()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1)
	operator, err := openOperator(c)
	if err != nil {
		return err
	}
	defer operator.close()
	srv, err := server.Start(c, server.Options{Concurrency: s.Concurrency, Zone: s.Zone})
	if err != nil {
		return err
	}
	file.Serve(srv)
	if err := writePid(c.PidFile); err != nil {
		return errors.Join(err, srv.Stop(context.Background()))
	}
	defer removePid(c.PidFile)
	operator.serve(srv, file)
	r := &run{startCommand: s, server: srv, file: file, operator: operator, signals: signals}
	if w != nil {
		w.run(watchInterval)
		defer w.stop()
		r.changed = w.changed
	}
	return r.wait()
}

// run is the process between its start and its end.
type run struct {
	*startCommand
	server   *server.Server
	file     *server.File
	operator *operator
	signals  chan os.Signal
	changed  <-chan struct{} // the file has; nil without --watch
	drained  chan struct{}   // nil until a drain begins
	expire   context.CancelFunc
}

// wait serves until there is a reason to end.
func (r *run) wait() error {
	r.expire = func() {}
	defer func() { r.expire() }()
	ending := false
	for {
		var done <-chan struct{}
		if ending {
			done = r.drained
		}
		select {
		case sig := <-r.signals:
			switch {
			case sig == syscall.SIGHUP:
				r.reload()
				continue
			case sig == syscall.SIGUSR1:
				if err := r.server.ReopenLogs(); err != nil {
					fmt.Fprintf(os.Stderr, "reopen: %v\n", err)
				}
				continue
			case sig == syscall.SIGQUIT || ending:
				return r.server.Stop(context.Background())
			}
			r.drain()
			ending = true
		case <-r.changed:
			r.reload()
		case <-r.operator.drain:
			r.drain()
		case <-r.operator.stop:
			r.drain()
			ending = true
		case <-done:
			return r.server.Stop(context.Background())
		}
	}
}

// drain begins to end the proxy's work, once.
func (r *run) drain() {
	if r.drained != nil {
		return
	}
	limit := r.DrainTime
	if limit == 0 {
		limit = r.server.Config().Server.GracefulTimeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	r.drained, r.expire = make(chan struct{}), cancel
	go func() {
		defer close(r.drained)
		r.server.Drain(ctx)
	}()
}

// reload reads the file again, and says what that changed or why nothing was.
func (r *run) reload() {
	changes, problems, err := r.file.Reload()
	printProblems(problems)
	if err != nil {
		fmt.Fprintf(os.Stderr, "reload: nothing was changed: %v\n", err)
		return
	}
	fmt.Fprintf(os.Stderr, "reload: %d changes\n", len(changes))
	for _, change := range changes {
		fmt.Fprintf(os.Stderr, "reload: %v\n", change)
	}
}

// gcPercent is how much garbage the heap may hold, in percent of what lives, where
// the environment does not say. Serving makes almost none, so that half of Go's
// default costs no time, and every idle connection is cheaper.
const gcPercent = 50

// printProblems tells of what does not keep the proxy from starting, such as the
// unknown keys that files in the wild have, and of what does.
func printProblems(problems config.Problems) {
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
}

// writePid writes the process's id to the file that the configuration names, if
// any.
func writePid(path string) error {
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("pid: %w", err)
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return fmt.Errorf("pid: %w", err)
	}
	return nil
}

// removePid removes the file unless another process has written it since.
func removePid(path string) {
	b, err := os.ReadFile(path)
	if path != "" && err == nil && strings.TrimSpace(string(b)) == strconv.Itoa(os.Getpid()) {
		_ = os.Remove(path) // the next start overwrites it anyway
	}
}

// load reads a configuration and prints its problems.
func load(path string) (*config.Config, error) {
	c, problems, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	printProblems(problems)
	if c == nil {
		return nil, fmt.Errorf("%s has errors", path)
	}
	return c, nil
}
