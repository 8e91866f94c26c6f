// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"log/slog"
	"os"

	"github.com/sideloop/sideloop/admin"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
)

// operator is the admin server and that of profiles, as far as the configuration
// has them, and what they ask of the process.
type operator struct {
	admin, profiles *admin.Server
	drain, stop     chan struct{}
}

// openOperator takes the addresses, so that a port that is taken is known before
// the proxy accepts anything. Who asks meanwhile waits.
func openOperator(c config.Admin) (*operator, error) {
	o := &operator{drain: make(chan struct{}, 1), stop: make(chan struct{}, 1)}
	var err, errProfiles error
	if c.Address != "" {
		o.admin, err = admin.Listen(c.Address)
	}
	if c.Pprof != "" {
		o.profiles, errProfiles = admin.Listen(c.Pprof)
	}
	if err := errors.Join(err, errProfiles); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

// serve answers from now on: the listeners are bound, and the configuration is in
// force.
func (o *operator) serve(s *server.Server, f *server.File) {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if o.admin != nil {
		o.admin.Serve(admin.Options{
			Control: s, File: f, Version: version, Log: log,
			Drain: func() { ask(o.drain) },
			Stop:  func() { ask(o.stop) },
		})
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
	for _, s := range []*admin.Server{o.admin, o.profiles} {
		if s != nil {
			_ = s.Close() // the process ends
		}
	}
}
