// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
)

// Of too many hosts those have series that do something; one that has left has
// none, and what it did makes room for another.
func TestShownHosts(t *testing.T) {
	c := &cluster.Cluster{Name: "c"}
	s := &server.Sample{Hosts: make(map[server.HostKey]server.HostSample)}
	host := func(name string) *cluster.Host { return cluster.NewHost(&config.Host{Address: name}) }
	for i := range 10 {
		c.Hosts = append(c.Hosts, host(fmt.Sprint("idle", i)))
	}
	busy := func(name string) {
		c.Hosts = append(c.Hosts, host(name))
		s.Hosts[server.HostKey{Cluster: "c", Address: name}] = server.HostSample{Connections: 1}
	}
	busy("busy0")
	busy("busy1")
	c.Hosts = append(c.Hosts, host("busy1")) // twice
	s.Hosts[server.HostKey{Cluster: "c", Address: "left"}] = server.HostSample{Connections: 1}
	for _, tt := range []struct {
		limit, omitted int
		want           string
	}{
		{4, 8, "idle0 idle1 busy0 busy1"},
		{2, 10, "busy0 busy1"},
		{1, 11, "busy0"},
		{100, 0, "idle0 idle1 idle2 idle3 idle4 idle5 idle6 idle7 idle8 idle9 busy0 busy1"},
	} {
		shown, omitted := shownHosts([]*cluster.Cluster{c}, s, tt.limit)
		var names []string
		for _, h := range shown {
			names = append(names, h.address)
		}
		if got := strings.Join(names, " "); got != tt.want || omitted != tt.omitted {
			t.Errorf("of at most %d: %s, %d omitted", tt.limit, got, omitted)
		}
	}
	s.Hosts[server.HostKey{Cluster: "c", Address: "busy0"}] = server.HostSample{}
	if shown, _ := shownHosts([]*cluster.Cluster{c}, s, 1); shown[0].address != "busy1" {
		t.Errorf("%s is shown; busy0 has stopped", shown[0].address)
	}
}

// The configuration knows the labels that metrics have.
func TestExclusionLabelsAreKnown(t *testing.T) {
	for _, f := range families() {
		for _, label := range f.labels {
			_, problems := config.Parse("c.json", fmt.Appendf(nil, `{"metrics": {"stats_matcher": {"exclusion_labels": [%q], "exclusion_keys": [%q]}}, "servers": [{}]}`, label, f.name))
			for _, p := range problems {
				if strings.HasPrefix(p.Path, "metrics") {
					t.Error(p)
				}
			}
		}
	}
}
