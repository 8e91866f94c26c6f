// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"fmt"
	"net/http"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/server"
)

// clusterReport is one cluster.
type clusterReport struct {
	Name  string       `json:"name"`
	Hosts []hostReport `json:"hosts"`
}

// hostReport is one host, over all loops.
type hostReport struct {
	Address string `json:"address"`
	// Health is "healthy", or the words of those who hold the host for
	// unhealthy.
	Health      []string `json:"health"`
	Connections int      `json:"connections"`
	Dialing     int      `json:"dialing"`
	InFlight    int      `json:"requests_active"`
	Waiting     int      `json:"requests_waiting"`
	// Tries that have ended, those of them that failed, and how long they took
	// together.
	Tries  uint64  `json:"tries"`
	Failed uint64  `json:"tries_failed"`
	Spent  float64 `json:"tries_seconds"`
	// Latency is what a reply is expected to take, where the balancing looks
	// at it.
	Latency float64 `json:"latency_seconds,omitempty"`
	// FailingLoops is on how many loops the last dial failed, Failure why.
	FailingLoops int    `json:"failing_loops"`
	Failure      string `json:"failure,omitempty"`
}

// healthFlags are the words of Envoy for who holds a host for unhealthy.
var healthFlags = []struct {
	down cluster.Down
	word string
}{
	{cluster.FailedCheck, "failed_active_hc"},
	{cluster.Ejected, "failed_outlier_check"},
}

func health(h *cluster.Host) []string {
	var words []string
	for _, f := range healthFlags {
		if h.Down&f.down != 0 {
			words = append(words, f.word)
		}
	}
	if words == nil {
		words = []string{"healthy"}
	}
	return words
}

func (a *admin) clusterReports() []clusterReport {
	sample := a.control.Sample()
	all := []clusterReport{}
	for _, c := range a.control.Clusters() {
		all = append(all, clusterReport{Name: c.Name, Hosts: hostReports(c, sample)})
	}
	return all
}

func hostReports(c *cluster.Cluster, sample *server.Sample) []hostReport {
	all := []hostReport{}
	for _, h := range c.Hosts {
		s := sample.Hosts[server.HostKey{Cluster: c.Name, Address: h.Address}]
		one := hostReport{
			Address: h.Address, Health: health(h),
			Connections: s.Connections, Dialing: s.Dialing, InFlight: s.InFlight, Waiting: s.Waiting,
			Tries: s.Tries, Failed: s.Failed, Spent: s.Spent.Seconds(),
			Latency: s.Latency.Seconds(), FailingLoops: s.Failing,
		}
		if s.Failure != codec.ReasonNone {
			one.Failure = s.Failure.String()
		}
		all = append(all, one)
	}
	return all
}

// clusters lists hosts, in the manner of Envoy.
func (a *admin) clusters(w http.ResponseWriter, q *http.Request) {
	reports := a.clusterReports()
	if q.URL.Query().Get("format") == "json" {
		writeJSON(w, map[string]any{"clusters": reports})
		return
	}
	for _, c := range reports {
		for _, h := range c.Hosts {
			at := c.Name + "::" + h.Address + "::"
			flags := ""
			for i, word := range h.Health {
				if i > 0 {
					flags += " "
				}
				flags += "/" + word
			}
			if flags == "/healthy" {
				flags = "healthy"
			}
			fmt.Fprintf(w, "%shealth_flags::%s\n%scx_active::%d\n%srq_active::%d\n%srq_waiting::%d\n",
				at, flags, at, h.Connections, at, h.InFlight, at, h.Waiting)
			if h.Latency > 0 {
				fmt.Fprintf(w, "%slatency_seconds::%.6f\n", at, h.Latency)
			}
			if h.FailingLoops > 0 {
				fmt.Fprintf(w, "%sfailing_loops::%d\n%sfailure::%s\n", at, h.FailingLoops, at, h.Failure)
			}
		}
	}
}

// listenerReport is one listener.
type listenerReport struct {
	Name        string `json:"name"`
	Network     string `json:"network"`
	Address     string `json:"address"`
	Connections int    `json:"connections"`
	Draining    bool   `json:"draining"`
}

func (a *admin) listenerReports() []listenerReport {
	all := []listenerReport{}
	for _, l := range a.control.Listeners() {
		all = append(all, listenerReport{l.Name, l.Network, l.Address, l.Connections, l.Leaving})
	}
	return all
}

func (a *admin) listeners(w http.ResponseWriter, q *http.Request) {
	reports := a.listenerReports()
	if q.URL.Query().Get("format") == "json" {
		writeJSON(w, map[string]any{"listeners": reports})
		return
	}
	for _, l := range reports {
		state := ""
		if l.Draining {
			state = " draining"
		}
		fmt.Fprintf(w, "%s::%s connections=%d%s\n", l.Name, l.Address, l.Connections, state)
	}
}
