// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"

	"github.com/sideloop/sideloop/bench/peers"
	"github.com/sideloop/sideloop/bench/relay"
)

// way is where a proxy listens and where it sends to.
type way struct {
	Listen string `arg:"" help:"Where to listen." placeholder:"HOST:PORT"`
	Target string `arg:"" help:"Where to send what arrives." placeholder:"HOST:PORT"`
}

// announce prints one line once clients can connect.
func (w *way) announce(o output, what string) func(net.Addr) {
	return func(addr net.Addr) { _, _ = fmt.Fprintf(o.out, "%s %s to %s\n", what, addr, w.Target) }
}

type relayCommand struct{ way }

// Run relays until ctx ends.
func (r *relayCommand) Run(ctx context.Context, o output) error {
	return relay.Run(ctx, r.Listen, r.Target, r.announce(o, "relaying"))
}

type reverseProxy struct{ way }

// Run proxies until ctx ends.
func (r *reverseProxy) Run(ctx context.Context, o output) error {
	return peers.ServeReverseProxy(ctx, r.Listen, r.Target, r.announce(o, "proxying HTTP/2 on"))
}

type http1Echo struct {
	Listen string `arg:"" help:"Where to listen." placeholder:"HOST:PORT"`
	Body   int    `help:"Size of the replies instead of an echo." placeholder:"BYTES"`
}

// Run serves until ctx ends.
func (h *http1Echo) Run(ctx context.Context, o output) error {
	return peers.ServeHTTP1Echo(ctx, h.Listen, h.Body, func(addr net.Addr) {
		_, _ = fmt.Fprintln(o.out, "serving HTTP/1.1 echo on", addr)
	})
}
