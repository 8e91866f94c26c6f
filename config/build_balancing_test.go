// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clusterWith reads a file with one cluster that has these keys.
func clusterWith(keys string) (Cluster, Problems) {
	c, problems := Parse("mosn.json", fmt.Appendf(nil, `{"servers": [{"listeners": [{"address": "127.0.0.1:1", "bind_port": true, "filter_chains": [{"filters": [
		{"type": "proxy", "config": {"downstream_protocol": "bolt", "virtual_hosts": [{"domains": ["*"]}]}}]}]}]}],
		"cluster_manager": {"clusters": [{"name": "c", %s}]}}`, keys))
	if c == nil {
		return Cluster{}, problems
	}
	return c.Clusters[0], problems
}

// TestParseBalancing: what is stated is what comes out.
func TestParseBalancing(t *testing.T) {
	c, problems := clusterWith(`"type": "STRICT_DNS", "lb_type": "LB_PEAK_EWMA",
		"lbconfig": {"choice_count": 3, "active_request_bias": 0, "client_error_bias": 0.5, "server_error_bias": 1.5},
		"common_lb_config": {"healthy_panic_threshold": 50, "prefer_local_zone": true, "overprovisioning_factor": 120},
		"slow_start": {"mode": "duration", "slow_start_duration": "30s", "aggression": 2.0, "min_weight_percent": 0.2},
		"lb_subset_config": {"fall_back_policy": 2, "default_subset": {"stage": "prod"}, "subset_selectors": [["zone", "stage", "zone"], ["stage"]]},
		"dns_refresh_rate": "1s", "respect_dns_ttl": true, "dns_lookup_family": "ALL", "dns_resolver_port": "54",
		"dns_resolvers": {"servers": ["127.0.0.1", "[::1]:5353"], "port": "55", "search": ["example"], "ndots": 2, "timeout": 3, "attempts": 4},
		"hosts": [{"address": "a:1", "meta_data": {"zone": "x", "old": "y"}, "metadata": {"filter_metadata": {"mosn.lb": {"zone": "z"}}}}]`)
	valid(t, problems)
	want := Cluster{
		Name: "c", Type: StrictDNS, ConnectTimeout: 10 * time.Second, HTTP2: defaultLimits, Path: c.Path,
		LB: Balancing{
			Policy: PeakEWMA, ChoiceCount: 3, ClientErrorBias: 0.5, ServerErrorBias: 1.5,
			PanicThreshold: 50, PreferLocalZone: true, Overprovisioning: 120,
			SlowStart: SlowStart{Duration: 30 * time.Second, Aggression: 2, MinWeight: 0.2},
			Subsets:   Subsets{Fallback: DefaultSubset, Default: map[string]string{"stage": "prod"}, Selectors: [][]string{{"stage", "zone"}, {"stage"}}},
		},
		DNS: DNS{
			RefreshRate: time.Second, RespectTTL: true, Family: AnyFamily, Port: "54",
			Servers: []string{"127.0.0.1:55", "[::1]:5353"}, Search: []string{"example"}, Ndots: 2, Timeout: 3 * time.Second, Attempts: 4,
		},
		Hosts: []Host{{Address: "a:1", Weight: 1, Metadata: map[string]string{"zone": "z", "old": "y"}, Path: c.Path + ".hosts[0]"}},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +found):\n%s", diff)
	}
}

func TestParsePolicies(t *testing.T) {
	for name, want := range policies {
		c, problems := clusterWith(`"lb_type": "` + name + `", "hosts": [{"address": "a:1"}]`)
		if valid(t, problems); c.LB.Policy != want {
			t.Errorf("%s is policy %d, want %d", name, c.LB.Policy, want)
		}
	}
}

func TestParseOriginalDestination(t *testing.T) {
	for _, keys := range []string{`"type": "ORIGINAL_DST"`, `"type": "ORIGINAL_DST", "lb_type": "LB_ORIGINAL_DST"`, `"lb_type": "LB_ORIGINAL_DST"`, `"type": "ORIGINAL_DST", "lb_type": "LB_RANDOM"`} {
		c, problems := clusterWith(keys + `, "original_dst_lb_config": {"use_header": true, "header_name": "X-To", "replace_local": true}`)
		valid(t, problems)
		if want := (OriginalDestination{Set: true, Header: "x-to", ReplaceLocal: true}); c.Type != OriginalDST || c.LB.Original != want {
			t.Errorf("%s: %s, %+v", keys, c.Type, c.LB.Original)
		}
	}
}

// Each of these is reported once, at its key.
func TestBalancingProblems(t *testing.T) {
	const hosts = `, "hosts": [{"address": "a:1"}]`
	for _, tt := range []struct{ keys, path, message string }{
		{`"type": "SIMPLE", "lb_type": "LB_ORIGINAL_DST"` + hosts, "lb_type", "LB_ORIGINAL_DST needs the type ORIGINAL_DST, found SIMPLE"},
		{`"type": "ORIGINAL_DST"` + hosts, "hosts", "a cluster of type ORIGINAL_DST has no hosts of its own; these are not used"},
		{`"type": "ORIGINAL_DST", "lb_subset_config": {"subset_selectors": [["a"]]}`, "lb_subset_config", "a cluster of type ORIGINAL_DST has no subsets"},
		{`"original_dst_lb_config": {"use_header": true}` + hosts, "original_dst_lb_config", "only a cluster of type ORIGINAL_DST uses it"},
		{`"lbconfig": {"choice_count": 3}` + hosts, "lbconfig", "only LB_LEAST_REQUEST, LB_LEAST_CONNECTION and LB_PEAK_EWMA use it"},
		{`"lb_type": "LB_LEAST_REQUEST", "lbconfig": {"choice_count": 33}` + hosts, "lbconfig.choice_count", "expected a whole number from 0 to 32, found 33; the default is 2"},
		{`"lb_type": "LB_LEAST_REQUEST", "lbconfig": {"active_request_bias": -1}` + hosts, "lbconfig.active_request_bias", "expected a number from 0 to 10, found -1"},
		{`"common_lb_config": {"healthy_panic_threshold": 101}` + hosts, "common_lb_config.healthy_panic_threshold", "expected a number from 0 to 100, found 101"},
		{`"common_lb_config": {"overprovisioning_factor": 99}` + hosts, "common_lb_config.overprovisioning_factor", "expected a number from 100 to 10000, found 99"},
		{`"slow_start": {"slow_start_duration": "1s", "aggression": 0}` + hosts, "slow_start.aggression", "expected a number from 0.01 to 10, found 0"},
		{`"slow_start": {"slow_start_duration": "1s", "min_weight_percent": 10}` + hosts, "slow_start.min_weight_percent", "expected a number from 0 to 1, found 10"},
		{`"lb_type": "LB_REQUEST_ROUNDROBIN", "slow_start": {"slow_start_duration": "1s"}` + hosts, "slow_start", "LB_REQUEST_ROUNDROBIN knows no weights; hosts get their full share at once"},
		{`"lb_subset_config": {"fall_back_policy": 2}` + hosts, "lb_subset_config.default_subset", ""},
		{`"lb_subset_config": {"fall_back_policy": 2, "subset_selectors": [["a"]]}` + hosts, "lb_subset_config.default_subset", "without labels the default subset is all hosts"},
		{`"lb_subset_config": {"subset_selectors": "zone"}` + hosts, "lb_subset_config.subset_selectors", `expected a list of lists of labels, found "zone"`},
		{`"lb_subset_config": {"subset_selectors": ["zone"]}` + hosts, "lb_subset_config.subset_selectors[0]", `expected a list of labels, found "zone"`},
		{`"lb_subset_config": {"subset_selectors": [["a", 7]]}` + hosts, "lb_subset_config.subset_selectors[0][1]", "expected the name of a label, found 7"},
		{`"lb_subset_config": {"subset_selectors": [[]]}` + hosts, "lb_subset_config.subset_selectors[0]", "a selector needs at least one label"},
		{`"lb_subset_config": {"subset_selectors": [["a", "b"], ["b", "a"]]}` + hosts, "lb_subset_config.subset_selectors[1]", "another selector has the same labels"},
		{`"type": "STRICT_DNS", "dns_refresh_rate": "1ms"` + hosts, "dns_refresh_rate", "expected a duration from 100ms to 24h0m0s, found \"1ms\"; the default is 5s"},
		{`"type": "STRICT_DNS", "dns_resolver_port": "x"` + hosts, "dns_resolver_port", `expected a port from 1 to 65535, found "x"`},
		{`"type": "STRICT_DNS", "dns_resolvers": {"servers": ["dns.example"]}` + hosts, "dns_resolvers.servers[0]", `expected the IP address of a resolver, found "dns.example"`},
		{`"type": "STRICT_DNS", "dns_resolver_file": "/r", "dns_resolvers": {"servers": ["127.0.0.1"]}` + hosts, "dns_resolver_file", "dns_resolvers has servers; the file is not read"},
		{`"type": "STRICT_DNS", "hosts": [{"address": "/run/h.sock"}]`, "hosts[0].address", "a Unix socket has no name to resolve; use the type SIMPLE"},
	} {
		_, problems := clusterWith(tt.keys)
		if tt.message == "" {
			valid(t, problems)
			continue
		}
		if len(problems) != 1 || strings.TrimPrefix(problems[0].Path, "cluster_manager.clusters[0].") != tt.path || problems[0].Message != tt.message {
			t.Errorf("%s:\n found %v\n want %s: %s", tt.keys, problems, tt.path, tt.message)
		}
	}
}

func TestParseZone(t *testing.T) {
	c, problems := Parse("mosn.json", []byte(`{"node": {"id": "n", "locality": {"region": "r", "zone": "z"}}, "servers": [{"listeners": [{"address": "127.0.0.1:1", "bind_port": true,
		"filter_chains": [{"filters": [{"type": "proxy", "config": {"downstream_protocol": "bolt", "virtual_hosts": [{"domains": ["*"]}]}}]}]}]}]}`))
	if valid(t, problems); c.Zone != "z" {
		t.Errorf("zone %q", c.Zone)
	}
}
