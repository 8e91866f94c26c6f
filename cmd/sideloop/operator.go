// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/sideloop/sideloop/admin"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
)

// operator is the admin server, that of profiles and those of metrics, as far as
// the configuration has them, and what they ask of the process.
type operator struct {
	admin, profiles *admin.Server
	metrics         []*admin.Server
	sinks           []config.PrometheusSink // of metrics
	drain, stop     chan struct{}
}

// openOperator takes the addresses, so that a port that is taken is known before
// the proxy accepts anything. Who asks meanwhile waits.
func openOperator(c *config.Config) (*operator, error) {
	o := &operator{sinks: c.Metrics.Sinks, drain: make(chan struct{}, 1), stop: make(chan struct{}, 1)}
	var failed error
	open := func(of, address string) *admin.Server {
		s, err := admin.Listen(address)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", of, err))
		}
		return s
	}
	if c.Admin.Address != "" {
		o.admin = open("admin", c.Admin.Address)
	}
	if c.Admin.Pprof != "" {
		o.profiles = open("pprof", c.Admin.Pprof)
	}
	for _, sink := range o.sinks {
		o.metrics = append(o.metrics, open("metrics", sink.Address))
	}
	if failed != nil {
		o.close()
		return nil, failed
	}
	return o, nil
}

// serve answers from now on: the listeners are bound, and the configuration is in
// force.
func (o *operator) serve(s *server.Server, f *server.File) {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	options := admin.Options{
		Control: s, File: f, Version: version, Log: log,
		Drain: func() { ask(o.drain) },
		Stop:  func() { ask(o.stop) },
	}
	if o.admin != nil {
		o.admin.Serve(options)
	}
	for i, sink := range o.sinks {
		o.metrics[i].ServeMetrics(options, sink)
	}
	if o.profiles != nil {
		o.profiles.ServeProfiles(log)
	}
}

// ask leaves a wish, unless there is one already.
func ask(wish chan struct{}) {
	select {
	case wish <- struct{}{}:
	default:
	}
}

func (o *operator) close() {
	for _, s := range append([]*admin.Server{o.admin, o.profiles}, o.metrics...) {
		if s != nil {
			_ = s.Close() // the process ends
		}
	}
}
