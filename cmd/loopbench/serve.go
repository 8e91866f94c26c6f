// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/sideloop/sideloop/bench"
)

type serve struct {
	Address   string        `help:"Where to listen." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	Protocol  bench.Speaks  `help:"bolt, http2, grpc (which is served beside HTTP/2) or all." default:"bolt"`
	Delay     time.Duration `help:"How long to hold each reply back." default:"0s"`
	ErrorRate float64       `help:"The share of requests that fail, 0 to 1." default:"0"`
	Body      int           `help:"The size of every reply, in place of an echo." placeholder:"BYTES"`
	Stall     bench.Stall   `help:"Pause all replies now and then." placeholder:"EVERY=10s,FOR=100ms"`
	TLSCert   string        `name:"tls-cert" help:"Encrypt with this certificate and those that lead to its authority." placeholder:"FILE"`
	TLSKey    string        `name:"tls-key" help:"The certificate's key." placeholder:"FILE"`
	Loops     int           `help:"How many threads serve." default:"1"`
}

// Run serves until ctx ends.
func (s *serve) Run(ctx context.Context, o output) error {
	if s.Loops < 1 {
		return errors.New("--loops is at least 1")
	}
	secure, err := s.tls()
	if err != nil {
		return err
	}
	service := bench.Service{
		Speaks: s.Protocol, Delay: s.Delay, ErrorRate: s.ErrorRate, Body: s.Body, Stall: s.Stall, TLS: secure,
	}
	return bench.RunEcho(ctx, s.Address, service, s.Loops, func(addr net.Addr) {
		_, _ = fmt.Fprintf(o.out, "serving %s echo on %v\n", s.Protocol, addr)
	})
}
