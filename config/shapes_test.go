// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// listenerWith is a file with one listener that has the given filters, one
// cluster "c", and the given text inside the server.
func listenerWith(filters, server string) []byte {
	return fmt.Appendf(nil, `{"servers": [{%s"listeners": [{"name": "in", "address": "127.0.0.1:2045", "bind_port": true,
		"filter_chains": [{"tls_context": {}, "filters": [%s]}]}]}],
		"cluster_manager": {"clusters": [{"Name": "c", "hosts": [{"address": "127.0.0.1:8080"}]}]}}`, server, filters)
}

// virtualHosts is a list of one that sends every service to the cluster "c".
const virtualHosts = `[{"name": "v", "domains": ["*"], "routers": [{"match": {"headers": [{"name": "service", "value": ".*"}]}, "route": {"cluster_name": "c"}}]}]`

// shapes are the places where MOSN's releases kept routes and the ways in which
// they named protocols.
var shapes = []struct {
	name    string
	filters string
	server  string
	down    []Protocol
	up      Protocol
	router  string
	places  string
}{
	{
		name:    "0.1: virtual hosts inside the proxy",
		filters: `{"type": "proxy", "config": {"downstream_protocol": "SofaRpc", "upstream_protocol": "SofaRpc", "support_dynamic_route": true, "virtual_hosts": ` + virtualHosts + `}}`,
		down:    []Protocol{ProtocolBolt}, up: ProtocolBolt, router: "in.virtual_hosts",
		places: "servers[0].listeners[0].filter_chains[0].filters[0].config",
	},
	{
		name:    "0.1 with a name",
		filters: `{"type": "proxy", "config": {"downstream_protocol": "Http2", "upstream_protocol": "SofaRpc", "router_config_name": "r", "virtual_hosts": ` + virtualHosts + `}}`,
		down:    []Protocol{ProtocolHTTP2}, up: ProtocolBolt, router: "r",
		places: "servers[0].listeners[0].filter_chains[0].filters[0].config",
	},
	{
		name: "0.3: connection manager beside the proxy",
		filters: `{"type": "proxy", "config": {"downstream_protocol": "SofaRpc", "upstream_protocol": "Http2", "router_config_name": "r"}},
			{"type": "connection_manager", "config": {"router_config_name": "r", "virtual_hosts": ` + virtualHosts + `}}`,
		down: []Protocol{ProtocolBolt}, up: ProtocolHTTP2, router: "r",
		places: "servers[0].listeners[0].filter_chains[0].filters[1].config",
	},
	{
		name: "0.4: Auto, connection manager first",
		filters: `{"type": "connection_manager", "config": {"router_config_name": "r", "virtual_hosts": ` + virtualHosts + `}},
			{"type": "proxy", "config": {"downstream_protocol": "Auto", "upstream_protocol": "Auto", "router_config_name": "r"}}`,
		down: []Protocol{ProtocolBolt, ProtocolHTTP2}, up: ProtocolSame, router: "r",
		places: "servers[0].listeners[0].filter_chains[0].filters[0].config",
	},
	{
		name:    "0.11: X with a sub-protocol, routers in the server",
		filters: `{"type": "proxy", "config": {"downstream_protocol": "X", "upstream_protocol": "X", "router_config_name": "r", "extend_config": {"sub_protocol": "bolt,boltv2"}}}`,
		server:  `"routers": [{"router_config_name": "r", "virtual_hosts": ` + virtualHosts + `}], `,
		down:    []Protocol{ProtocolBolt}, up: ProtocolBolt, router: "r", places: "servers[0].routers[0]",
	},
	{
		name:    "1.6: bolt",
		filters: `{"type": "proxy", "config": {"downstream_protocol": "bolt", "router_config_name": "r"}}`,
		server:  `"routers": [{"router_config_name": "r", "virtual_hosts": ` + virtualHosts + `}], `,
		down:    []Protocol{ProtocolBolt}, up: ProtocolSame, router: "r", places: "servers[0].routers[0]",
	},
	{
		name:    "1.6: list of protocols",
		filters: `{"type": "proxy", "config": {"downstream_protocol": "Http2, boltv2,bolt", "router_config_name": "r"}}`,
		server:  `"routers": [{"router_config_name": "r", "virtual_hosts": ` + virtualHosts + `}], `,
		down:    []Protocol{ProtocolBolt, ProtocolHTTP2}, up: ProtocolSame, router: "r", places: "servers[0].routers[0]",
	},
	{
		name: "the same router in both places",
		filters: `{"type": "proxy", "config": {"downstream_protocol": "bolt", "router_config_name": "r"}},
			{"type": "connection_manager", "config": {"router_config_name": "r", "virtual_hosts": ` + virtualHosts + `}}`,
		server: `"routers": [{"router_config_name": "r", "virtual_hosts": ` + virtualHosts + `}], `,
		down:   []Protocol{ProtocolBolt}, up: ProtocolSame, router: "r", places: "servers[0].routers[0]",
	},
}

func TestParseShapes(t *testing.T) {
	for _, shape := range shapes {
		t.Run(shape.name, func(t *testing.T) {
			c, problems := Parse("mosn.json", listenerWith(shape.filters, shape.server))
			valid(t, problems)
			proxy := c.Server.Listeners[0].Proxy
			if diff := cmp.Diff(shape.down, proxy.Downstream); diff != "" {
				t.Errorf("downstream (-want +found):\n%s", diff)
			}
			if proxy.Upstream != shape.up || proxy.RouterName != shape.router {
				t.Errorf("upstream %v through %q, want %v through %q", proxy.Upstream, proxy.RouterName, shape.up, shape.router)
			}
			host := shape.places + ".virtual_hosts[0]"
			want := []Router{{Name: shape.router, Path: shape.places, VirtualHosts: []VirtualHost{{
				Name: "v", Domains: []string{"*"}, Path: host,
				Routes: []Route{{
					Match:  Match{Headers: []HeaderMatch{{Name: "service", Value: ".*"}}, Path: host + ".routers[0].match"},
					Action: Action{Cluster: "c", Timeout: time.Minute}, Path: host + ".routers[0]",
				}},
			}}}}
			if diff := cmp.Diff(want, c.Server.Routers); diff != "" {
				t.Errorf("routers (-want +found):\n%s", diff)
			}
		})
	}
}

// TestParseExtendConfig: settings of a protocol stand under its name or, in
// older files, beside it.
func TestParseExtendConfig(t *testing.T) {
	for extend, want := range map[string]Proxy{
		`{}`:                                       {},
		`{"Http2": {"http2_use_stream": true}}`:    {HTTP2: HTTP2Options{UseStream: true}},
		`{"Http2": {"allow_connect": true}}`:       {HTTP2: HTTP2Options{Limits: HTTP2Limits{Connect: true}}},
		`{"http2_use_stream": true}`:               {HTTP2: HTTP2Options{UseStream: true}},
		`{"bolt": {"enable_bolt_goaway": true}}`:   {Bolt: BoltOptions{GoAway: true}},
		`{"boltv2": {"enable_bolt_goaway": true}}`: {Bolt: BoltOptions{GoAway: true}},
		`{"enable_bolt_goaway": true, "Http1": {"max_header_size": 1024}}`: {Bolt: BoltOptions{GoAway: true}},
		`{"bolt": {"max_frame_size": 1048576, "whole_frame_size": 4096, "max_requests_in_flight": 8}}`: {
			Bolt: BoltOptions{MaxFrame: 1 << 20, WholeFrame: 4096, MaxInFlight: 8}},
		`{"boltv2": {"max_frame_size": 1000}, "enable_bolt_goaway": true}`: {
			Bolt: BoltOptions{GoAway: true, MaxFrame: 1000}},
	} {
		c, problems := Parse("mosn.json", listenerWith(`{"type": "proxy", "config": {"downstream_protocol": "Auto", "extend_config": `+extend+`, "virtual_hosts": `+virtualHosts+`}}`, ""))
		valid(t, problems)
		if found := c.Server.Listeners[0].Proxy; found.HTTP2.UseStream != want.HTTP2.UseStream || found.HTTP2.Limits.Connect != want.HTTP2.Limits.Connect || found.Bolt != want.Bolt {
			t.Errorf("%s gives %+v %+v, want %+v %+v", extend, found.HTTP2, found.Bolt, want.HTTP2, want.Bolt)
		}
	}
}

// TestTunnelsNeedHTTP2: a setting that does nothing is told of.
func TestTunnelsNeedHTTP2(t *testing.T) {
	_, problems := Parse("mosn.json", listenerWith(`{"type": "proxy", "config": {"downstream_protocol": "bolt", "extend_config": {"Http2": {"allow_connect": true}}, "virtual_hosts": `+virtualHosts+`}}`, ""))
	if len(problems) != 1 || !strings.Contains(problems[0].String(), "allow_connect: no client of this listener speaks HTTP/2") {
		t.Errorf("problems: %v", problems)
	}
}

// routeWith parses a file whose only route is the given text.
func routeWith(t *testing.T, route string) (Route, Problems) {
	t.Helper()
	c, problems := Parse("mosn.json", listenerWith(`{"type": "proxy", "config": {"downstream_protocol": "Auto", "virtual_hosts": [{"domains": ["*"], "routers": [`+route+`]}]}}`, ""))
	if problems.HasErrors() {
		t.Fatalf("%s: %v", route, problems)
	}
	return c.Server.Routers[0].VirtualHosts[0].Routes[0], problems
}

func TestParseMatch(t *testing.T) {
	for match, want := range map[string]Match{
		`{}`:                                 {},
		`{"prefix": "/a", "path": ""}`:       {Kind: MatchPrefix, Prefix: "/a"},
		`{"prefix": "/a", "path": "/b"}`:     {Kind: MatchPrefix, Prefix: "/a"},
		`{"path": "/a/b", "regex": "/a/.*"}`: {Kind: MatchPath, PathExact: "/a/b"},
		`{"regex": "^/a/\\d+$"}`:             {Kind: MatchRegex, Regex: `^/a/\d+$`},
		`{"headers": [{"name": "a", "value": "x+", "regex": true}, {"name": "b", "value": "y+"}]}`: {Headers: []HeaderMatch{{Name: "a", Value: "x+", Compare: CompareRegex}, {Name: "b", Value: "y+"}}},
		// The only condition is "service": never an expression.
		`{"headers": [{"name": "service", "value": "x+", "regex": true}]}`: {Headers: []HeaderMatch{{Name: "service", Value: "x+"}}},
		// With another condition it is one.
		`{"prefix": "/", "headers": [{"name": "service", "value": "x+", "regex": true}]}`: {Kind: MatchPrefix, Prefix: "/", Headers: []HeaderMatch{{Name: "service", Value: "x+", Compare: CompareRegex}}},
	} {
		route, _ := routeWith(t, `{"match": `+match+`, "route": {"cluster_name": "c"}}`)
		found := route.Match
		found.Path = ""
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("%s (-want +found):\n%s", match, diff)
		}
	}
	route, problems := routeWith(t, `{"route": {"cluster_name": "c"}}`)
	valid(t, problems)
	if route.Match.Kind != MatchHeaders || route.Match.Headers != nil {
		t.Errorf("a route without match has %+v, want one that takes every request", route.Match)
	}
}

func TestParseAction(t *testing.T) {
	for action, want := range map[string]Action{
		`{"cluster_name": "c"}`:                               {Cluster: "c", Timeout: time.Minute},
		`{"cluster_name": "c", "timeout": "0"}`:               {Cluster: "c", Timeout: time.Minute},
		`{"cluster_name": "c", "timeout": 0}`:                 {Cluster: "c", Timeout: time.Minute},
		`{"cluster_name": "c", "timeout": "1m30s"}`:           {Cluster: "c", Timeout: 90 * time.Second, TimeoutSet: true},
		`{"cluster_name": "c", "timeout": 3000000000}`:        {Cluster: "c", Timeout: 3 * time.Second, TimeoutSet: true},
		`{"cluster_name": "c", "upstream_protocol": "Http2"}`: {Cluster: "c", Timeout: time.Minute, UpstreamProtocol: ProtocolHTTP2},
		`{"cluster_name": "c", "upstream_protocol": "Auto"}`:  {Cluster: "c", Timeout: time.Minute},
		`{"cluster_name": "c", "retry_policy": {"retry_on": true, "num_retries": 4, "retry_timeout": "2s", "status_codes": [502, 504]}}`: {
			Cluster: "c", Timeout: time.Minute,
			Retry: Retry{Set: true, On: RetryReset, Count: 4, PerTryTimeout: 2 * time.Second, StatusCodes: []uint32{502, 504}, BackOff: 25 * time.Millisecond, MaxBackOff: 250 * time.Millisecond},
		},
	} {
		route, _ := routeWith(t, `{"route": `+action+`}`)
		if diff := cmp.Diff(want, route.Action); diff != "" {
			t.Errorf("%s (-want +found):\n%s", action, diff)
		}
	}
}

// TestParseDefaults states every default of the result, for keys that are
// absent, null, and 0 where MOSN takes 0 for absent.
func TestParseDefaults(t *testing.T) {
	for _, cluster := range []string{
		`{"name": "c", "hosts": [{"address": "a:1"}]}`,
		`{"name": "c", "type": null, "lb_type": null, "max_request_per_conn": null, "connect_timeout": null, "hosts": [{"address": "a:1", "weight": null}]}`,
		`{"name": "c", "type": "", "lb_type": "", "max_request_per_conn": 0, "conn_buffer_limit_bytes": 0, "connect_timeout": 0, "idle_timeout": "0s", "hosts": [{"address": "a:1", "weight": 0}]}`,
	} {
		for _, server := range []string{``, `"processor": "auto", "default_log_path": "", "default_log_level": null, "graceful_timeout": "0", `, `"processor": 0, `} {
			c, problems := Parse("mosn.json", []byte(`{"servers": [{`+server+`"listeners": [{"address": "127.0.0.1:1", "bind_port": true, "filter_chains": [{"filters": [
				{"type": "proxy", "config": {"downstream_protocol": "Auto", "virtual_hosts": [{"domains": ["*"]}]}}]}]}]}],
				"cluster_manager": {"clusters": [`+cluster+`]}}`))
			valid(t, problems)
			const proxy = "servers[0].listeners[0].filter_chains[0].filters[0].config"
			want := &Config{
				Server: Server{
					LogPath: "stdout", LogLevel: "INFO", GracefulTimeout: 30 * time.Second, Overload: usualOverload,
					Listeners: []Listener{{
						Name: "127.0.0.1:1", Network: "tcp", Address: "127.0.0.1:1", BindPort: true, Path: "servers[0].listeners[0]",
						Proxy: Proxy{Downstream: []Protocol{ProtocolBolt, ProtocolHTTP2}, RouterName: "127.0.0.1:1.virtual_hosts", HTTP2: HTTP2Options{Limits: defaultLimits}, Path: proxy},
					}},
					Routers: []Router{{Name: "127.0.0.1:1.virtual_hosts", Path: proxy, VirtualHosts: []VirtualHost{{Domains: []string{"*"}, Path: proxy + ".virtual_hosts[0]"}}}},
				},
				Clusters: []Cluster{{
					Name: "c", Type: "SIMPLE", LB: usualBalancing(RoundRobin), DNS: usualDNS, ConnectTimeout: 10 * time.Second, HTTP2: defaultLimits,
					Hosts: []Host{{Address: "a:1", Weight: 1, Path: "cluster_manager.clusters[0].hosts[0]"}}, Path: "cluster_manager.clusters[0]",
				}},
			}
			if diff := cmp.Diff(want, c); diff != "" {
				t.Errorf("%s %s (-want +found):\n%s", server, cluster, diff)
			}
		}
	}
}

// TestParseValues: what is stated is what comes out.
func TestParseValues(t *testing.T) {
	c, problems := Parse("mosn.json", []byte(`{"pid": "/run/p", "servers": [{"mosn_server_name": "s", "default_log_path": "/var/log/s", "default_log_level": "ERROR",
		"graceful_timeout": "5s", "processor": "4",
		"listeners": [{"name": "u", "address": "/run/s.sock", "bind_port": true, "log_path": "stderr", "log_level": "DEBUG", "connection_idle_timeout": "90s", "type": "ingress",
			"filter_chains": [{"filters": [{"type": "proxy", "config": {"downstream_protocol": "bolt", "virtual_hosts": [{"domains": ["*"]}]}}]}]}]}],
		"cluster_manager": {"clusters": [{"name": "c", "type": "DYNAMIC", "lb_type": "LB_RANDOM", "max_request_per_conn": 7, "conn_buffer_limit_bytes": 8,
			"connect_timeout": "1s", "idle_timeout": "5m", "hosts": [{"address": "/run/h.sock", "hostname": "h", "weight": 9, "meta_data": {"zone": "a"}}]}]}}`))
	valid(t, problems)
	s, l := c.Server, c.Server.Listeners[0]
	found := []any{c.PidFile, s.Name, s.LogPath, s.LogLevel, s.GracefulTimeout, s.Processor, l.Name, l.Network, l.Address, l.LogPath, l.LogLevel, l.IdleTimeout, c.Clusters}
	want := []any{"/run/p", "s", "/var/log/s", "ERROR", 5 * time.Second, 4, "u", "unix", "/run/s.sock", "stderr", "DEBUG", 90 * time.Second, []Cluster{{
		Name: "c", Type: "DYNAMIC", LB: usualBalancing(Random), DNS: usualDNS, MaxRequestPerConn: 7, ConnBufferLimit: 8, ConnectTimeout: time.Second, IdleTimeout: 5 * time.Minute, HTTP2: defaultLimits,
		Hosts: []Host{{Address: "/run/h.sock", Hostname: "h", Weight: 9, Metadata: map[string]string{"zone": "a"}, Path: "cluster_manager.clusters[0].hosts[0]"}}, Path: "cluster_manager.clusters[0]",
	}}}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("values (-want +found):\n%s", diff)
	}
}

// TestParseExpressionLimit: a long expression is refused before it is compiled.
func TestParseExpressionLimit(t *testing.T) {
	for _, test := range []struct {
		length int
		want   string
	}{
		{expressionLimit, ""},
		{expressionLimit + 1, "a regular expression has at most 65536 bytes, found 65537"},
	} {
		_, problems := Parse("mosn.json", listenerWith(`{"type": "proxy", "config": {"downstream_protocol": "bolt", "virtual_hosts": [{"domains": ["*"], "routers": [
			{"match": {"regex": "`+strings.Repeat("a", test.length)+`"}, "route": {"cluster_name": "c"}}]}]}}`, ""))
		found := ""
		for _, p := range problems {
			found += p.Message
		}
		if found != test.want {
			t.Errorf("%d bytes: %q, want %q", test.length, found, test.want)
		}
	}
}

// TestParseYAMLScalars: YAML is read as MOSN reads it, in version 1.1.
func TestParseYAMLScalars(t *testing.T) {
	c, problems := Parse("mosn.yaml", []byte(`
servers:
- processor: 0x4
  mosn_server_name: 12
  graceful_timeout: 0
  listeners:
  - address: "127.0.0.1:1"
    bind_port: on
    filter_chains:
    - filters:
      - type: proxy
        config:
          downstream_protocol: bolt
          virtual_hosts:
          - domains: ['*']
            routers:
            - match: {headers: [{name: a, value: 1_0}, {name: b, value: true}, {name: c, value: "yes"}]}
              route: {cluster_name: c}
cluster_manager:
  clusters:
  - name: c
    hosts: &hosts
    - address: a:1
  - {name: d, hosts: *hosts}
`))
	valid(t, problems)
	headers := c.Server.Routers[0].VirtualHosts[0].Routes[0].Match.Headers
	found := []any{c.Server.Processor, c.Server.Name, c.Server.GracefulTimeout, c.Server.Listeners[0].BindPort, headers, c.Clusters[1].Hosts[0].Address}
	want := []any{4, "12", 30 * time.Second, true, []HeaderMatch{{Name: "a", Value: "10"}, {Name: "b", Value: "true"}, {Name: "c", Value: "yes"}}, "a:1"}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("values (-want +found):\n%s", diff)
	}
}

// usualOverload is what a file that says nothing of it has.
var usualOverload = Overload{ShrinkHeap: 0.9, RefuseRequests: 0.95, RefuseConnections: 0.98, MaxLoopDelay: 100 * time.Millisecond}
