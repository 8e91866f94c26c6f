// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/sideloop/sideloop/bench/load"
)

// loadFlags say what load to put on what, for every command that does.
type loadFlags struct {
	Target         string        `arg:"" help:"The server or proxy to call: HOST:PORT or unix:PATH." placeholder:"TARGET"`
	Protocol       load.Protocol `help:"bolt, boltv2 (with checksums), http2 or grpc." default:"bolt"`
	Connections    int           `help:"How many connections." default:"32" short:"c"`
	InFlight       int           `help:"The most requests in flight on each connection." default:"16" short:"m"`
	Body           int           `help:"The size of a request's content." default:"1024" placeholder:"BYTES"`
	Reply          string        `help:"What replies contain: echo, any, or the number of bytes that 'serve --body' was given. By default an echo, or anything where --body is 0." placeholder:"BYTES"`
	Header         []string      `help:"A header to send; may be repeated." placeholder:"NAME:VALUE" sep:"none" short:"H"`
	Service        string        `help:"The service to call; empty sends none." default:"com.example.Echo:1.0"`
	Method         string        `help:"The method of HTTP/2; by default GET without a body and POST with one."`
	Path           string        `help:"The path of HTTP/2; by default / and for gRPC /loopbench.Echo/Echo."`
	WarmUp         time.Duration `help:"How long to call before measuring." default:"1s"`
	Loops          int           `help:"How many threads generate load." default:"1"`
	PID            []int         `name:"pid" help:"A process whose CPU time and memory to measure along; may be repeated."`
	Timeout        time.Duration `help:"How long a request may take." default:"10s"`
	ConnectTimeout time.Duration `help:"How long connecting may take." default:"3s"`
	TLSCA          string        `name:"tls-ca" help:"Encrypt with TLS and hold the target's certificate against these authorities." placeholder:"FILE"`
	TLSResume      bool          `name:"tls-resume" help:"Resume TLS sessions when connecting again."`
	PerConnection  int           `help:"Close each connection after so many requests and make another." placeholder:"N"`
	Name           string        `help:"The result's name in charts and comparisons; the target by default."`
}

// options are the flags as the engine takes them.
func (f *loadFlags) options() (load.Options, error) {
	o := load.Options{
		Target: f.Target, Protocol: f.Protocol, Connections: f.Connections, InFlight: f.InFlight, Body: f.Body,
		Headers: f.Header, Service: f.Service, Method: f.Method, Path: f.Path, WarmUp: f.WarmUp, Loops: f.Loops,
		PIDs: f.PID, ConnectTimeout: f.ConnectTimeout, RequestTimeout: f.Timeout, Name: f.Name, PerConnection: f.PerConnection,
	}
	var err error
	if o.TLS, err = f.tls(); err != nil {
		return o, err
	}
	switch f.Reply {
	case "", "echo":
	case "any":
		o.Reply = load.AnyReply
	default:
		n, err := strconv.Atoi(f.Reply)
		if err != nil || n <= 0 {
			return o, fmt.Errorf("--reply %q is not echo, any or a number of bytes", f.Reply)
		}
		o.Reply = n
	}
	// Zero would be the engine's default.
	if f.Connections < 1 || f.InFlight < 1 || f.Loops < 1 || f.Timeout <= 0 || f.ConnectTimeout <= 0 {
		return o, errors.New("--connections, --in-flight, --loops, --timeout and --connect-timeout are more than 0")
	}
	return o, nil
}
