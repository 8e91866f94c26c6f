// SPDX-License-Identifier: Apache-2.0

// Command sideloop is the sidecar proxy.
package main

import (
	"github.com/alecthomas/kong"
)

// commands is the command line.
type commands struct {
	Start   startCommand   `cmd:"" help:"Run the proxy."`
	Check   checkCommand   `cmd:"" help:"Report every problem of a configuration file."`
	Explain explainCommand `cmd:"" help:"Say which route, cluster and hosts a request would take, and why."`
	Schema  schemaCommand  `cmd:"" help:"Print the JSON Schema of the configuration, for editors."`
	Reload  reloadCommand  `cmd:"" help:"Have a running proxy read its configuration again."`
	Stop    stopCommand    `cmd:"" help:"Have a running proxy finish its requests and end."`
	Upgrade upgradeCommand `cmd:"" help:"Have a new process take over from a running proxy, without a pause."`
	Wait    waitCommand    `cmd:"" help:"Wait until a running proxy is ready."`
	Version versionCommand `cmd:"" help:"Print the version and how it was built."`
}

func main() {
	var c commands
	ctx := kong.Parse(&c,
		kong.Name("sideloop"),
		kong.Description("A sidecar proxy for SOFARPC (Bolt) and HTTP/2, configured by MOSN's JSON."),
		kong.UsageOnError(),
	)
	ctx.FatalIfErrorf(ctx.Run())
}
