// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/handover"
	"github.com/sideloop/sideloop/server"
)

type startCommand struct {
	Config      string        `short:"c" required:"" placeholder:"FILE" help:"Configuration file, JSON or YAML."`
	Concurrency int           `placeholder:"N" help:"Number of worker loops. Default: GOMAXPROCS, else the file's processor, else 2."`
	DrainTime   time.Duration `placeholder:"DURATION" help:"How long running requests may take to finish at the end. Default: the file's graceful_timeout, else 30s."`
	UpgradeTime time.Duration `default:"30s" placeholder:"DURATION" help:"How long a new process may take to become ready in an upgrade."`
	Watch       bool          `help:"Read the configuration again when the file changes, or a file of the directories that it names."`
	Zone        string        `placeholder:"NAME" env:"SIDELOOP_ZONE" help:"Zone that the proxy is in, for clusters with prefer_local_zone. Default: the file's node.locality.zone."`
}

// Run starts the proxy and serves until a signal: SIGTERM and the first SIGINT
// let requests in flight finish, any further signal ends at once. SIGHUP reads the
// configuration again, SIGUSR1 opens the logs again, SIGUSR2 has a new process take
// over.
func (s *startCommand) Run() error {
	if s.Concurrency < 0 || s.DrainTime < 0 || s.UpgradeTime <= 0 {
		return errors.New("--concurrency, --drain-time and --upgrade-time must be positive")
	}
	program := newProgram()
	before, given, err := handover.Inherit()
	if err == nil && before == nil {
		given, err = handover.Activated()
	}
	if err != nil {
		return err
	}
	defer given.CloseRest()
	r := &run{startCommand: s, program: program, before: before, expire: func() {}}
	if err := r.open(given); err != nil {
		before.Fail(err)
		return err
	}
	defer r.close()
	server.ReleaseImage()
	return r.wait()
}

// run is the process between its start and its end.
type run struct {
	*startCommand
	program  program
	before   *handover.Predecessor // nil unless it is an upgrade
	server   *server.Server
	file     *server.File
	pidFile  string
	operator *operator
	signals  chan os.Signal
	changed  <-chan struct{} // the file has; nil without --watch
	drained  chan struct{}   // nil until a drain begins
	expire   context.CancelFunc
	closing  []func() // what close does, last first
	upgrade  upgrade
}

// open starts the proxy. In an upgrade everything that may fail does so before
// the first connection is accepted.
func (r *run) open(given *handover.Sockets) error {
	var w *watcher
	if r.Watch {
		w = newWatcher(r.Config) // before the file is read, so that no change is missed
	}
	file, c, problems, err := server.OpenFile(r.Config)
	printProblems(problems)
	if err != nil {
		return withProblems(err, problems)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	r.closing = append(r.closing, server.ReturnMemory())
	r.signals = make(chan os.Signal, 2)
	signal.Notify(r.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGUSR1,
		syscall.SIGUSR2)
	if r.operator, err = openOperator(c, given); err != nil {
		r.close()
		return err
	}
	r.closing = append(r.closing, r.operator.close)
	r.server, err = server.Start(c, server.Options{Concurrency: r.Concurrency, Zone: r.Zone, Sockets: given, Hold: true})
	if err != nil {
		r.close()
		return err
	}
	kept := given.Kept()
	for _, g := range given.CloseRest() {
		fmt.Fprintf(os.Stderr, "a socket was given that no listener has the address of; it is closed: %v\n", g)
	}
	r.file, r.pidFile = file, c.PidFile
	file.Serve(r.server)
	if err = r.before.Prepared(kept); err == nil {
		err = writePid(r.pidFile)
	}
	if err != nil {
		err = errors.Join(err, r.server.Stop(context.Background()))
		r.close()
		return err
	}
	r.closing = append(r.closing, func() { removePid(r.pidFile) })
	if w != nil {
		w.run(watchInterval)
		r.closing = append(r.closing, w.stop)
		r.changed = w.changed
	}
	r.serve()
	return nil
}

// serve accepts connections, and says so to whoever waits for it.
func (r *run) serve() {
	r.server.Accept()
	r.operator.serve(r.server, r.file)
	if r.before == nil {
		tellSupervisor("READY=1")
		return
	}
	// Should the old process be gone, there is nobody but this one.
	if err := r.before.Serving(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	go func() {
		if err := r.before.Serve(r.server.Arrive); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
}

func (r *run) close() {
	for i := len(r.closing) - 1; i >= 0; i-- {
		r.closing[i]()
	}
	r.closing = nil
}

// wait serves until there is a reason to end.
func (r *run) wait() error {
	defer func() { r.expire() }()
	defer close(r.operator.ended)
	defer r.abandonUpgrade()
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
			case sig == syscall.SIGUSR2:
				r.beginUpgrade(upgradeRequest{result: make(chan upgradeResult, 1)})
				continue
			case r.upgrade.hasten(sig):
				continue
			case sig == syscall.SIGQUIT || ending:
				return r.server.Stop(context.Background())
			}
			r.end()
			ending = true
		case <-r.changed:
			r.reload()
		case q := <-r.operator.upgrade:
			r.beginUpgrade(q)
		case o := <-r.upgrade.outcome:
			ending = r.endUpgrade(o) || ending
		case <-r.operator.drain:
			r.drain()
		case <-r.operator.stop:
			r.end()
			ending = true
		case <-done:
			return r.server.Stop(context.Background())
		}
	}
}

// end begins to end the process.
func (r *run) end() {
	if !r.upgrade.done {
		tellSupervisor("STOPPING=1")
	}
	r.drain()
}

// drain begins to end the proxy's work, once.
func (r *run) drain() {
	if r.drained != nil {
		return
	}
	r.upgrade.cancel(errEnding)
	ctx, cancel := context.WithTimeout(context.Background(), r.drainTime())
	r.drained, r.expire = make(chan struct{}), cancel
	go func() {
		defer close(r.drained)
		r.server.Drain(ctx)
	}()
}

// drainTime is how long the end may take.
func (r *run) drainTime() time.Duration {
	if r.DrainTime > 0 {
		return r.DrainTime
	}
	return r.server.Config().Server.GracefulTimeout
}

// reload reads the file again, and says what that changed or why nothing was.
func (r *run) reload() {
	if !r.upgrade.done {
		tellSupervisor(handover.Reloading()...)
		defer tellSupervisor("READY=1")
	}
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
// the environment does not say. Serving makes almost none, so that a quarter of Go's
// default costs no time, and every idle connection is cheaper.
const gcPercent = 25

// printProblems tells of what does not keep the proxy from starting, such as the
// unknown keys that files in the wild have, and of what does.
func printProblems(problems config.Problems) {
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
}

// withProblems is an error that is told where the problems are not seen.
func withProblems(err error, problems config.Problems) error {
	lines := []string{err.Error()}
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return errors.New(strings.Join(lines, "\n"))
}

// tellSupervisor tells systemd, where the process is a unit of it.
func tellSupervisor(lines ...string) {
	if err := handover.Notify(lines...); err != nil {
		fmt.Fprintln(os.Stderr, err)
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
