// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/sideloop/sideloop/admin"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/handover"
	"github.com/sideloop/sideloop/server"
)

// answerTime is how long requests that the admin server answers may still take
// when another process has taken over.
const answerTime = 5 * time.Second

// operator is the admin server, that of profiles and those of metrics, as far as
// the configuration has them, and what they ask of the process.
type operator struct {
	endpoints   []endpoint
	drain, stop chan struct{}
	upgrade     chan upgradeRequest
	ended       chan struct{} // closed when nobody listens to these any more
	leaving     sync.WaitGroup
	left        bool
}

// endpoint is one address that the operator is reached at.
type endpoint struct {
	key    string // between processes
	server *admin.Server
	// serve is what server is for.
	serve func(*admin.Server, admin.Options)
}

// openOperator takes the addresses, so that a port that is taken is known before
// the proxy accepts anything. Who asks meanwhile waits.
func openOperator(c *config.Config, given *handover.Sockets) (*operator, error) {
	o := &operator{
		drain: make(chan struct{}, 1), stop: make(chan struct{}, 1),
		upgrade: make(chan upgradeRequest), ended: make(chan struct{}),
	}
	failed := errors.Join(
		o.open("admin", c.Admin.Address, given, (*admin.Server).Serve),
		o.open("pprof", c.Admin.Pprof, given, func(s *admin.Server, options admin.Options) { s.ServeProfiles(options.Log) }))
	for _, sink := range c.Metrics.Sinks {
		failed = errors.Join(failed, o.open("metrics", sink.Address, given, func(s *admin.Server, options admin.Options) { s.ServeMetrics(options, sink) }))
	}
	if failed != nil {
		o.close()
		return nil, failed
	}
	return o, nil
}

// open takes one address; an empty one is none.
func (o *operator) open(name, address string, given *handover.Sockets, serve func(*admin.Server, admin.Options)) error {
	if address == "" {
		return nil
	}
	e := endpoint{key: name + " " + address, serve: serve}
	if g := given.Take(handover.Want{Key: e.key, Name: name, Network: "tcp", Address: address}); g != nil {
		if _, tcp := g.Addr().(*net.TCPAddr); !tcp {
			return fmt.Errorf("%s: the socket %v is not of TCP", name, g)
		}
		e.server = admin.On(g.Listener)
	} else {
		var err error
		if e.server, err = admin.Listen(address); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	o.endpoints = append(o.endpoints, e)
	return nil
}

// serve answers from now on: the listeners are bound, and the configuration is in
// force.
func (o *operator) serve(s *server.Server, f *server.File) {
	options := admin.Options{
		Control: s, File: f, Version: version, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Drain:   func() { ask(o.drain) },
		Stop:    func() { ask(o.stop) },
		Upgrade: o.askUpgrade,
	}
	for _, e := range o.endpoints {
		e.serve(e.server, options)
	}
}

// ask leaves a wish, unless there is one already.
func ask(wish chan struct{}) {
	select {
	case wish <- struct{}{}:
	default:
	}
}

// askUpgrade waits for what becomes of an upgrade.
func (o *operator) askUpgrade(path string) (pid int, err error) {
	q := upgradeRequest{program: path, result: make(chan upgradeResult, 1)}
	select {
	case o.upgrade <- q:
	case <-o.ended:
		return 0, errEnding
	}
	select {
	case r := <-q.result:
		return r.pid, r.err
	case <-o.ended:
	}
	select {
	case r := <-q.result: // just before the end
		return r.pid, r.err
	default:
		return 0, errEnding
	}
}

// offers are the sockets for another process.
func (o *operator) offers() []handover.Offer {
	var all []handover.Offer
	for _, e := range o.endpoints {
		all = append(all, handover.Offer{Key: e.key, Socket: e.server})
	}
	return all
}

// leave has another process answer from now on. What is being answered is; close
// waits for it.
func (o *operator) leave() {
	o.left = true
	ctx, cancel := context.WithTimeout(context.Background(), answerTime)
	for _, e := range o.endpoints {
		o.leaving.Go(func() { _ = e.server.Leave(ctx) }) // what takes longer is closed
	}
	go func() {
		o.leaving.Wait()
		cancel()
	}()
}

// close ends the servers, since the process ends.
func (o *operator) close() {
	if o.left {
		o.leaving.Wait()
	}
	for _, e := range o.endpoints {
		_ = e.server.Close()
	}
}
