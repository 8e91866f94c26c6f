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

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
)

type startCommand struct {
	Config      string `short:"c" required:"" placeholder:"FILE" help:"Configuration file, JSON or YAML."`
	Concurrency int    `placeholder:"N" help:"Number of worker loops. Default: GOMAXPROCS, else the file's processor, else 2."`
	Zone        string `placeholder:"NAME" env:"SIDELOOP_ZONE" help:"Zone that the proxy is in, for clusters with prefer_local_zone. Default: the file's node.locality.zone."`
}

// Run starts the proxy and serves until a signal: SIGTERM and the first SIGINT
// let requests in flight finish, any further signal ends at once. SIGHUP reads the
// configuration again.
func (s *startCommand) Run() error {
	if s.Concurrency < 0 {
		return errors.New("--concurrency must be positive")
	}
	c, err := load(s.Config)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	defer server.ReturnMemory()()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP)
	srv, err := server.Start(c, server.Options{Concurrency: s.Concurrency, Zone: s.Zone})
	if err != nil {
		return err
	}
	if err := writePid(c.PidFile); err != nil {
		return errors.Join(err, srv.Stop(context.Background()))
	}
	defer removePid(c.PidFile)
	sig := <-signals
	for ; sig == syscall.SIGHUP; sig = <-signals {
		c = s.reload(srv, c)
	}
	if sig != syscall.SIGQUIT {
		ctx, cancel := context.WithTimeout(context.Background(), c.Server.GracefulTimeout)
		go func() {
			for sig := range signals {
				if sig != syscall.SIGHUP {
					cancel()
				}
			}
		}()
		srv.Drain(ctx)
		cancel()
	}
	return srv.Stop(context.Background())
}

// reload reads the file again and returns the configuration that is in force
// then: the one before, if the new one has errors or cannot be taken.
func (s *startCommand) reload(srv *server.Server, before *config.Config) *config.Config {
	c, err := load(s.Config)
	if err != nil {
		fmt.Fprintf(os.Stderr, "reload: nothing was changed: %v\n", err)
		return before
	}
	changes, err := srv.Reload(c)
	if err != nil {
		fmt.Fprintf(os.Stderr, "reload: nothing was changed: %v\n", err)
		return before
	}
	fmt.Fprintf(os.Stderr, "reload: %d changes\n", len(changes))
	for _, change := range changes {
		fmt.Fprintf(os.Stderr, "reload: %v\n", change)
	}
	return c
}

// gcPercent is how much garbage the heap may hold, in percent of what lives, where
// the environment does not say. Serving makes almost none, so that half of Go's
// default costs no time, and every idle connection is cheaper.
const gcPercent = 50

// load reads the configuration and prints its problems. Unknown keys do not
// keep the proxy from starting: files in the wild have them.
func load(path string) (*config.Config, error) {
	c, problems, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	if problems.HasErrors() {
		return nil, fmt.Errorf("%s has errors", path)
	}
	return c, nil
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
