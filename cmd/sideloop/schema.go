// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"

	"github.com/sideloop/sideloop/config"
)

type schemaCommand struct {
	Markdown bool `help:"The reference of all keys, which is docs/CONFIG.md, in place of the JSON Schema."`
}

// Run prints what a configuration may hold.
func (s schemaCommand) Run() error {
	text := config.JSONSchema()
	if s.Markdown {
		text = config.Reference()
	}
	_, err := os.Stdout.Write(text)
	return err
}
