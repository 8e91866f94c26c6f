// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

const (
	// DialTimeout holds where DialConfig says nothing; the kernel's own limit
	// is over two minutes.
	DialTimeout = 10 * time.Second
	// DialsAtOnce bounds the dials in progress in the process, so that an
	// unreachable upstream does not use up its file descriptors.
	DialsAtOnce = 256
)

// dialSlots has a place for each dial in progress.
var dialSlots = make(chan struct{}, DialsAtOnce)

// DialConfig says what to connect to.
type DialConfig struct {
	// Network is "tcp", "tcp4", "tcp6" or "unix".
	Network string
	// Address is host:port or a path. A name is resolved at most every 15 s.
	Address string
	// Timeout bounds everything from name resolution on, with the wait for a
	// free slot; 0 is DialTimeout.
	Timeout time.Duration
	// KeepAlive is the idle time before TCP probes the peer; 0 is 15 s,
	// negative is never.
	KeepAlive time.Duration
	// TLS encrypts the connection; nil leaves it in plain text.
	TLS *ClientTLS
}

// DialHandler gets the result of a dial: one of its methods is called, once, on
// the loop, unless the dial is cancelled or the reactor stops first.
type DialHandler interface {
	// OnDialed hands over the open connection and returns its handler; nil
	// closes it.
	OnDialed(c *Conn) Handler
	OnDialFailed(err error)
}

// Dialing is a dial in progress.
type Dialing struct {
	loop    *Loop
	handler DialHandler // nil once the result is delivered or unwanted
	cancel  context.CancelFunc
}

// Dial connects in the background. The result is delivered on this loop, in a
// later callback.
func (l *Loop) Dial(config DialConfig, h DialHandler) *Dialing {
	timeout := config.Timeout
	if timeout <= 0 {
		timeout = DialTimeout
	}
	ctx, cancel := context.WithTimeout(l.reactor.ctx, timeout)
	d := &Dialing{loop: l, handler: h, cancel: cancel}
	err := checkNetwork(config.Network)
	if err == nil && !l.reactor.gate.enter() {
		err = ErrStopped
	}
	if err != nil {
		cancel()
		d.fail(fmt.Errorf("dial %s %s: %w", config.Network, config.Address, err))
		return d
	}
	go d.run(ctx, config)
	return d
}

// Cancel gives the dial up: neither method of its handler is called any more,
// and a connection that arrives nevertheless is closed. Only the loop may call
// it.
func (d *Dialing) Cancel() {
	d.handler = nil
	d.cancel()
}

// run dials, on a goroutine of its own.
func (d *Dialing) run(ctx context.Context, config DialConfig) {
	defer d.loop.reactor.gate.leave()
	defer d.cancel()
	a := &admission{loop: d.loop, dialing: d}
	nc, err := a.dial(ctx, config)
	if err == nil {
		d.loop.load.Add(1)
		err = a.enroll(nc)
	}
	if err == nil {
		return
	}
	if errors.Is(context.Cause(ctx), ErrStopped) {
		err = ErrStopped
	}
	d.fail(err)
}

// dial waits for a slot, connects and secures the connection.
func (a *admission) dial(ctx context.Context, config DialConfig) (net.Conn, error) {
	select {
	case dialSlots <- struct{}{}:
		defer func() { <-dialSlots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("dial %s %s: %w: %d other dials are in progress",
			config.Network, config.Address, ctx.Err(), DialsAtOnce)
	}
	dialer := net.Dialer{KeepAlive: config.KeepAlive}
	nc, err := connectTo(ctx, &dialer, config)
	if err != nil || config.TLS == nil {
		return nc, err
	}
	if err = a.secureDial(ctx, nc, config); err == nil {
		return nc, nil
	}
	nc.Close()
	if config.TLS.Fallback && ctx.Err() == nil {
		return connectTo(ctx, &dialer, config)
	}
	return nil, err
}

func connectTo(ctx context.Context, dialer *net.Dialer, config DialConfig) (net.Conn, error) {
	if config.Network == "unix" {
		return dialer.DialContext(ctx, config.Network, config.Address)
	}
	return names.dialName(ctx, dialer, config.Network, config.Address)
}

// fail delivers err on the loop.
func (d *Dialing) fail(err error) {
	d.loop.Post(func() {
		if h := d.handler; h != nil {
			d.handler = nil
			h.OnDialFailed(err)
		}
	})
}

// arrived delivers the connection, on the loop.
func (d *Dialing) arrived(c *Conn) Handler {
	h := d.handler
	if h == nil {
		return nil
	}
	d.handler = nil
	return h.OnDialed(c)
}

// checkNetwork refuses what a stream proxy has no use for.
func checkNetwork(network string) error {
	switch network {
	case "tcp", "tcp4", "tcp6", "unix":
		return nil
	}
	return fmt.Errorf("network %q is not one of tcp, tcp4, tcp6, unix", network)
}
