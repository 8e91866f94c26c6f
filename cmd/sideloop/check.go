// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
)

type checkCommand struct {
	Config string `short:"c" required:"" placeholder:"FILE" help:"Configuration file, JSON or YAML."`
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
	return nil
}
