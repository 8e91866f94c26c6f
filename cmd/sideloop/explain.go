// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
)

type explainCommand struct {
	Config    string   `short:"c" required:"" placeholder:"FILE" help:"Configuration file, JSON or YAML."`
	Protocol  string   `enum:"bolt,http2" default:"http2" help:"What the client speaks: ${enum}."`
	Listener  string   `placeholder:"NAME" help:"Listener that the request comes to; needed where several take the protocol."`
	Header    []string `sep:"none" placeholder:"NAME=VALUE" help:"Header, or pair of Bolt's header map; may be repeated."`
	Path      string   `default:"/" help:"Path with its query."`
	Authority string   `default:"localhost" help:"Host that the request names."`
	Method    string   `default:"GET" help:"Method."`
	Class     string   `help:"Class of a Bolt request."`
	Source    string   `placeholder:"IP" help:"Address of the client."`
	JSON      bool     `name:"json" help:"Print JSON."`
}

// Run prints the way that a request would take.
func (k *explainCommand) Run() error {
	c, err := load(k.Config)
	if err != nil {
		return err
	}
	protocol := config.ProtocolHTTP2
	if k.Protocol == "bolt" {
		protocol = config.ProtocolBolt
	}
	x, err := server.Explain(c, server.Question{
		Listener: k.Listener, Protocol: protocol, Headers: k.Header,
		Path: k.Path, Authority: k.Authority, Method: k.Method, Class: k.Class, Source: k.Source,
	})
	if err != nil {
		return err
	}
	if k.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(x)
	}
	return printExplanation(os.Stdout, x)
}

func printExplanation(w io.Writer, x *server.Explanation) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-13s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("listener", "%s", x.Listener)
	line("virtual host", "%s", or(x.VirtualHost, "none"))
	line("route", "%s", or(x.Route, "none"))
	for _, c := range x.Clusters {
		labels := ""
		if len(c.Labels) > 0 {
			labels = " with " + strings.Join(c.Labels, ", ")
		}
		line("cluster", "%s, %.4g%%, over %s: %s%s", or(c.Cluster, "none"), c.Percent, x.Upstream, or(strings.Join(c.Hosts, " "), "no hosts"), labels)
	}
	for _, e := range x.Effects {
		line("effect", "%s", e)
	}
	if x.Reason != "" {
		line("ends with", "%s", x.Reason)
	}
	for _, o := range x.Others {
		line("not taken", "%s: %s", o.Place, o.Reason)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
