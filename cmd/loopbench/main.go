// SPDX-License-Identifier: Apache-2.0

// Command loopbench serves echo and calls it, directly or through a proxy.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the command line.
type cli struct {
	Serve        serve          `cmd:"" help:"Serve echo until interrupted."`
	Call         call           `cmd:"" help:"Send one Bolt request and print the reply."`
	Run          runCommand     `cmd:"" help:"Put load on a server or proxy and measure latencies."`
	Suite        suiteCommand   `cmd:"" help:"Measure proxies side by side on this machine."`
	Relay        relayCommand   `cmd:"" help:"Copy bytes between TCP connections, parsing nothing."`
	ReverseProxy reverseProxy   `cmd:"" name:"reverseproxy" help:"Run Go's ReverseProxy, HTTP/2 on both sides."`
	HTTP1Echo    http1Echo      `cmd:"" name:"http1echo" hidden:"" help:"Serve echo over HTTP/1.1."`
	Compare      compareCommand `cmd:"" help:"Set results against the first of them: ratios and spread."`
	Report       reportCommand  `cmd:"" help:"Draw results as one HTML page."`
	Sweep        sweepCommand   `cmd:"" help:"Step the rate up to the knee of the latency."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// output is where a command prints: what was asked for, and what is to be said
// beside it.
type output struct{ out, err io.Writer }

// Exit codes.
const (
	exitOK    = 0
	exitFail  = 1
	exitUsage = 2
)

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string, out, err io.Writer) int {
	helped := false
	parser, problem := kong.New(&cli{},
		kong.Name("loopbench"),
		kong.Description("Measures Bolt, HTTP/2 and gRPC, directly or through a proxy, and serves the echo to measure with."),
		kong.Writers(out, err),
		// --help has printed all there is to say when it exits; what Parse
		// finds after that does not matter.
		kong.Exit(func(int) { helped = true }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(output{out, err}),
	)
	if problem != nil {
		return fail(err, exitFail, problem)
	}
	command, problem := parser.Parse(args)
	switch {
	case helped:
		return exitOK
	case problem != nil:
		return fail(err, exitUsage, problem)
	}
	if problem := command.Run(); problem != nil {
		return fail(err, exitFail, problem)
	}
	return exitOK
}

func fail(w io.Writer, code int, err error) int {
	_, _ = fmt.Fprintln(w, "loopbench:", err)
	return code
}
