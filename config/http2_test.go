// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// withLimits parses a file whose listener and cluster state limits of HTTP/2.
func withLimits(listener, cluster string) (*Config, Problems) {
	text := string(listenerWith(`{"type": "proxy", "config": {"downstream_protocol": "Http2", "extend_config": {"Http2": {`+listener+`}}, "virtual_hosts": `+virtualHosts+`}}`, ""))
	return Parse("mosn.json", []byte(strings.Replace(text, `"hosts"`, `"extend_config": {"Http2": {`+cluster+`}}, "hosts"`, 1)))
}

// TestEveryLimitIsRead states each key in each place with a value of its own,
// which must come out, in that place and nowhere else.
func TestEveryLimitIsRead(t *testing.T) {
	for i := range http2Limits {
		k := &http2Limits[i]
		text, want := fmt.Sprint(k.min+1), fmt.Sprint(k.min+1)
		if k.duration != nil {
			text, want = `"1m7s"`, (67 * time.Second).String()
		}
		member := fmt.Sprintf("%q: %s", k.name, text)
		c, problems := withLimits(member, "")
		valid(t, problems)
		listener, cluster := &c.Server.Listeners[0].Proxy.HTTP2.Limits, &c.Clusters[0].HTTP2
		if got := k.text(listener); got != want || k.text(cluster) == want {
			t.Errorf("%s of the listener is %s, of the cluster %s; want %s", k.name, got, k.text(cluster), want)
		}
		c, problems = withLimits("", member)
		if k.listener {
			if len(problems) != 1 || problems[0].Severity != UnknownKey {
				t.Errorf("%s of a cluster: %v; want an unknown key", k.name, problems)
			}
			continue
		}
		valid(t, problems)
		listener, cluster = &c.Server.Listeners[0].Proxy.HTTP2.Limits, &c.Clusters[0].HTTP2
		if got := k.text(cluster); got != want || k.text(listener) == want {
			t.Errorf("%s of the cluster is %s, of the listener %s; want %s", k.name, got, k.text(listener), want)
		}
	}
}

// TestLimitsOfWindows: a window that is larger than the default of the other
// takes it along.
func TestLimitsOfWindows(t *testing.T) {
	for text, want := range map[string][2]int{
		``:                                      {65535, 262144},
		`"initial_stream_window_size": 1000000`: {1000000, 1000000},
		`"max_stream_window_size": 2000`:        {2000, 2000},
		`"max_stream_window_size": 100000`:      {65535, 100000},
		`"initial_stream_window_size": 300000, "max_stream_window_size": 300000`: {300000, 300000},
		`"initial_stream_window_size": 2147483647`:                               {2147483647, 2147483647},
	} {
		c, problems := withLimits(text, text)
		valid(t, problems)
		for _, l := range []HTTP2Limits{c.Server.Listeners[0].Proxy.HTTP2.Limits, c.Clusters[0].HTTP2} {
			if l.StreamWindow != want[0] || l.MaxStreamWindow != want[1] {
				t.Errorf("{%s} gives windows of %d growing to %d, want %v", text, l.StreamWindow, l.MaxStreamWindow, want)
			}
		}
	}
}

// TestSettings: what is listed are the keys of the place, with the values in
// effect.
func TestSettings(t *testing.T) {
	c, _ := withLimits(`"reset_burst": 7, "max_header_fields": 256`, "")
	l := &c.Server.Listeners[0].Proxy.HTTP2.Limits
	seen := 0
	for _, s := range l.Settings(true) {
		if s.Key == "reset_burst" && s == (Setting{"reset_burst", "7", false}) || s == (Setting{"max_header_fields", "256", true}) {
			seen++
		}
	}
	if seen != 2 || len(l.Settings(true)) != len(http2Limits) {
		t.Errorf("listed %v", l.Settings(true))
	}
	for _, s := range c.Clusters[0].HTTP2.Settings(false) {
		if s.Key == "reset_burst" || !s.Default {
			t.Errorf("listed %v for a cluster that states nothing", s)
		}
	}
}
