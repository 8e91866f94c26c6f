// SPDX-License-Identifier: Apache-2.0

package config

import (
	"maps"
	"slices"
	"strings"
)

// builder turns checked trees into a Config and reports what no table can tell:
// contradictions between keys, and values with a syntax of their own.
type builder struct {
	checker
	// files allows reading the directories that the configuration names,
	// relative to directory.
	files     bool
	directory string
	// directories are those that it has named.
	directories []string
	// prefix is the place of the file that is being read within the main one.
	prefix  string
	routers routerSet
	// common is the cluster manager's TLS.
	common *TLS
}

// place is where an object stands in the whole configuration.
func (b *builder) place(v view) string { return joinPlace(b.prefix, v.path) }

func joinPlace(prefix, path string) string {
	if prefix == "" || path == "" {
		return prefix + path
	}
	return prefix + "." + path
}

// config builds what it can, so that all problems are found; parse drops the
// result if there is an error.
func (b *builder) config(root view) *Config {
	config := &Config{PidFile: root.text("pid")}
	servers := root.children("servers")
	switch {
	case !root.has("servers"):
		root.errorf("servers", "expected exactly one server, found none")
	case len(root.n.member("servers").items) != 1:
		root.errorf("servers", "expected exactly one server, found %d", len(root.n.member("servers").items))
	}
	for _, s := range servers {
		config.Server = b.server(s)
		config.Tracing = b.tracing(root, config.Server.Listeners, s)
	}
	config.Zone = root.child("node").child("locality").text("zone")
	config.Clusters = b.clusters(root.child("cluster_manager"))
	config.Admin = b.admin(root)
	config.Metrics = b.metrics(root.child("metrics"))
	b.references(config)
	b.handover(root, config)
	return config
}

func (b *builder) server(v view) Server {
	s := Server{
		Name:     v.text("mosn_server_name"),
		LogPath:  v.logPath("default_log_path"),
		LogLevel: v.level("default_log_level"),
	}
	if _, n := v.key("processor"); n != nil {
		s.Processor, _ = processorOf(n)
	}
	s.GracefulTimeout, _ = v.duration("graceful_timeout")
	s.Overload = v.child("overload_manager").overload()
	for _, r := range v.children("routers") {
		b.router(r, r.text("router_config_name"))
	}
	s.Listeners = b.listeners(v)
	if len(s.Listeners) == 0 {
		v.warnf("listeners", "without listeners no connection is accepted")
	}
	s.Routers = b.routers.list
	return s
}

// logPath is the target of a log. syslog is taken as stdout.
func (v view) logPath(name string) string {
	path := v.text(name)
	if strings.HasPrefix(path, "syslog") {
		v.warnf(name, "syslog is not implemented; taken as stdout")
		return "stdout"
	}
	return path
}

// level is a log level; one that is unknown, which was reported, is the default.
func (v view) level(name string) string {
	k, _ := v.key(name)
	if s := v.text(name); k.value(s) != nil {
		return s
	}
	return strings.Trim(k.fallback, `"`)
}

// references warns of names that nothing has. MOSN starts with them: they may
// come later, by an update.
func (b *builder) references(c *Config) {
	clusters := make(map[string]bool, len(c.Clusters))
	for i := range c.Clusters {
		clusters[c.Clusters[i].Name] = true
	}
	names := slices.Sorted(maps.Keys(clusters))
	for _, r := range b.routers.clusters {
		if !clusters[r.name] {
			b.missing(r, names, "no cluster is named %q; "+r.lost)
		}
	}
	names = slices.Sorted(maps.Keys(b.routers.byName))
	for _, r := range b.routers.users {
		if b.routers.byName[r.name] == nil {
			b.missing(r, names, "no router is named %q; no request will have a route")
		}
	}
}

// reference is a name that was used, and where.
type reference struct {
	file string
	position
	path string
	name string
	// lost is what becomes of requests where nothing has the name.
	lost string
}

func (b *builder) refer(v view, key string) reference {
	at, path := v.at(key)
	return reference{file: b.file, position: at, path: path, name: v.text(key)}
}

func (b *builder) missing(r reference, names []string, format string) {
	main := b.file
	b.file = r.file
	b.report(Warning, r.position, r.path, r.name, names, format, r.name)
	b.file = main
}
