// SPDX-License-Identifier: Apache-2.0

package server

import (
	"testing"

	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/config"
)

// What a file gets that states no limit of HTTP/2 is what the codec takes for
// sensible, on both sides.
func TestDefaultLimitsAreTheCodecs(t *testing.T) {
	c, problems := config.Parse("test.json", []byte(`{"servers": [{"listeners": [{"name": "in", "address": "127.0.0.1:2045", "bind_port": true,
		"filter_chains": [{"filters": [{"type": "proxy", "config": {"downstream_protocol": "Http2", "virtual_hosts": [{"domains": ["*"]}]}}]}]}]}],
		"cluster_manager": {"clusters": [{"name": "c", "hosts": [{"address": "127.0.0.1:8080"}]}]}}`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for place, l := range map[string]config.HTTP2Limits{"listener": c.Server.Listeners[0].Proxy.HTTP2.Limits, "cluster": c.Clusters[0].HTTP2} {
		if got, want := http2.Limits(l), http2.DefaultLimits(); got != want {
			t.Errorf("%s: %+v\nwant %+v", place, got, want)
		}
	}
}
