// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net"

	"github.com/sideloop/sideloop/bench"
)

type serve struct {
	Address string `help:"Where to listen." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
}

// Run serves until ctx ends.
func (s *serve) Run(ctx context.Context, o output) error {
	return bench.RunBoltEcho(ctx, s.Address, func(addr net.Addr) {
		_, _ = fmt.Fprintln(o.out, "serving Bolt echo on", addr)
	})
}
