// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sideloop/sideloop/bench"
)

type call struct {
	Address string        `arg:"" help:"The server or proxy to call." placeholder:"HOST:PORT"`
	Service string        `help:"The service to call." default:"com.example.Echo:1.0"`
	Body    string        `help:"The request's content." default:"hello" placeholder:"TEXT"`
	Timeout time.Duration `help:"How long to wait for the reply." default:"3s"`
	Wait    time.Duration `help:"How long to go on trying to connect." default:"10s"`
}

// retryEvery is the pause between attempts to connect: a server that starts is
// noticed before anyone looks at a clock.
const retryEvery = 100 * time.Millisecond

// Run calls once and prints the reply. A status other than success is a failure
// too.
func (c *call) Run(ctx context.Context, o output) error {
	if c.Timeout < time.Millisecond {
		return fmt.Errorf("--timeout %v is under a millisecond", c.Timeout)
	}
	conn, err := c.connect(ctx, o.err)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	deadline, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	start := time.Now()
	reply, err := bench.CallBolt(deadline, conn, bench.BoltRequest(c.Service, c.Timeout), []byte(c.Body))
	if err != nil {
		return err
	}
	printReply(o.out, reply, time.Since(start))
	if reply.Head.Status != 0 {
		return fmt.Errorf("the reply has status %d (%s)", reply.Head.Status, reply.StatusText())
	}
	return nil
}

// connect goes on trying as long as the server is not up yet.
func (c *call) connect(ctx context.Context, w io.Writer) (net.Conn, error) {
	until := time.Now().Add(c.Wait)
	dialer := net.Dialer{Timeout: c.Timeout}
	for attempt := 1; ; attempt++ {
		conn, err := dialer.DialContext(ctx, "tcp", c.Address)
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(until) {
			return conn, err
		}
		if attempt == 1 {
			_, _ = fmt.Fprintf(w, "waiting up to %v for %s to accept connections\n", c.Wait, c.Address)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(retryEvery):
		}
	}
}

// printReply prints one fact per line.
func printReply(w io.Writer, reply *bench.BoltReply, took time.Duration) {
	line := func(label, format string, args ...any) {
		_, _ = fmt.Fprintf(w, "%-8s "+format+"\n", append([]any{label}, args...)...)
	}
	line("status", "%d (%s)", reply.Head.Status, reply.StatusText())
	line("class", "%s", readable(reply.Head.Class))
	for rest := reply.Head.Map; ; {
		pair, next, ok := rest.Next()
		if !ok {
			break
		}
		line("header", "%s = %s", readable(pair.Key), readable(pair.Value))
		rest = next
	}
	line("content", "%s", readable(reply.Content))
	line("length", "%d bytes", len(reply.Content))
	line("time", "%v", took.Round(time.Microsecond))
}

// readable is b as it is where it is plain text, else quoted; nil is null.
func readable(b []byte) string {
	if b == nil {
		return "null"
	}
	if !utf8.Valid(b) {
		return fmt.Sprintf("%q", b)
	}
	for _, r := range string(b) {
		if !unicode.IsPrint(r) {
			return fmt.Sprintf("%q", b)
		}
	}
	return string(b)
}
