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
	Serve serve `cmd:"" help:"Serve Bolt echo until interrupted."`
	Call  call  `cmd:"" help:"Send one Bolt request and print the reply."`
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
		kong.Description("Serves Bolt echo and calls it, directly or through a proxy."),
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
