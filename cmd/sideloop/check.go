// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
)

type checkCommand struct {
	Config string `short:"c" required:"" placeholder:"FILE" help:"Configuration file, JSON or YAML."`
	Limits bool   `help:"List the limits of HTTP/2 in effect, by listener and cluster."`
}

// Run prints every problem and fails on errors and unknown keys.
func (k *checkCommand) Run() error {
	c, problems, err := config.Load(k.Config)
	if err != nil {
		return err
	}
	for _, p := range problems {
		fmt.Println(p)
	}
	if problems.FailCheck() {
		os.Exit(1)
	}
	if err := server.Check(c); err != nil {
		return fmt.Errorf("%s: %w", k.Config, err)
	}
	fmt.Printf("%s: ok: %d listeners, %d routers, %d clusters, %d warnings\n",
		k.Config, len(c.Server.Listeners), len(c.Server.Routers), len(c.Clusters), len(problems))
	if k.Limits {
		printLimits(c)
	}
	return nil
}

// printLimits lists each limit under the place in the file where it can be set.
func printLimits(c *config.Config) {
	for i := range c.Server.Listeners {
		p := &c.Server.Listeners[i].Proxy
		if slices.Contains(p.Downstream, config.ProtocolHTTP2) {
			printSettings(p.Path, p.HTTP2.Limits.Settings(true))
		}
	}
	for i := range c.Clusters {
		printSettings(c.Clusters[i].Path, c.Clusters[i].HTTP2.Settings(false))
	}
}

func printSettings(place string, settings []config.Setting) {
	fmt.Printf("%s.extend_config.Http2:\n", place)
	for _, s := range settings {
		note := ""
		if s.Default {
			note = " (default)"
		}
		fmt.Printf("  %-33s %s%s\n", s.Key, s.Value, note)
	}
}
