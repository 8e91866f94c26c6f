// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"testing"
)

func TestOriginalDst(t *testing.T) {
	const handover = "redirected connections are not handed to other listeners: route them by a cluster of type ORIGINAL_DST, or bind this one"
	const logical = `, {"name": "other", "address": "127.0.0.1:80", "filter_chains": [{"filters": [{"type": "proxy", "config": {"downstream_protocol": "bolt", "virtual_hosts": [{"domains": ["*"]}]}}]}]}`
	for _, tt := range []struct {
		keys, others string
		want         bool
		problem      string
	}{
		{``, "", false, ""},
		{`"use_original_dst": "redirect",`, "", true, ""},
		{`"use_original_dst": true,`, "", true, ""},
		{`"use_original_dst": false,`, "", false, ""},
		{`"use_original_dst": "",`, "", false, ""},
		{`"listener_filters": [{"type": "original_dst", "config": {"fallback_to_local": true, "type": "redirect"}}],`, "", true, ""},
		{`"listener_filters": [{"type": "original_dst", "config": {"type": "tproxy"}}],`, "", true, "TPROXY is not implemented; use iptables' REDIRECT"},
		{`"use_original_dst": "tproxy",`, "", false, "TPROXY is not implemented; use iptables' REDIRECT and \"redirect\""},
		{`"use_original_dst": "nat",`, "", false, `expected "redirect", found "nat"`},
		{`"use_original_dst": true, "network": "unix",`, "", true, "connections to a Unix socket are not redirected"},
		{`"use_original_dst": true,`, logical, true, handover},
	} {
		_, problems := Parse("mosn.json", fmt.Appendf(nil, `{"servers": [{"listeners": [{%s "address": "127.0.0.1:1", "bind_port": true, "filter_chains": [{"filters": [
			{"type": "proxy", "config": {"downstream_protocol": "bolt", "virtual_hosts": [{"domains": ["*"]}]}}]}]}%s]}]}`, tt.keys, tt.others))
		found := ""
		for _, p := range problems {
			if p.Severity == Error {
				found = p.Message
			}
		}
		if found != tt.problem {
			t.Errorf("%s: %v, want %q", tt.keys, problems, tt.problem)
		}
	}
}
