// SPDX-License-Identifier: Apache-2.0

package server

import (
	"io"
	"maps"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/cluster/health"
	"github.com/sideloop/sideloop/cluster/tally"
	"github.com/sideloop/sideloop/pipeline"
)

// alarmQueue is how many alarms of loops may wait. Each is about another host,
// and what is left out is raised again by that host's next failure.
const alarmQueue = 256

func (s *Server) newMonitor() *health.Monitor {
	return health.New(health.Options{
		Loops:    tallies{s},
		Changed:  s.rejudge,
		EventLog: func(path string) (io.Writer, error) { return s.logs.events(path) },
		Log:      s.log,
	})
}

// Health is what is known of the health of all clusters that are checked.
func (s *Server) Health() []health.ClusterView { return s.health.View() }

// followAll has the clusters of a new configuration judged, and marks their
// hosts as they are judged now. On an error nothing has happened.
func (s *Server) followAll(set cluster.Set) error {
	all := make([]health.Cluster, 0, len(set))
	for _, c := range set {
		all = append(all, followed(c))
	}
	if err := s.health.FollowAll(all); err != nil {
		return err
	}
	for name, c := range set {
		set[name] = s.judged(c)
	}
	return nil
}

// followed is what the Monitor is to know of c.
func followed(c *cluster.Cluster) health.Cluster {
	f := health.Cluster{Name: c.Name, Check: c.Check, Outlier: c.Outlier, HTTP2: &c.HTTP2, Transport: c.Transport}
	if t, ok := c.Security.(*clientTLS); ok {
		f.Secure = t.probe
	}
	if f.Check != nil || f.Outlier != nil {
		for _, h := range c.Hosts {
			f.Hosts = append(f.Hosts, health.Host{Network: h.Network, Address: h.Address, Dial: h.Dial, Name: h.ServerName, Plain: h.Plain})
		}
	}
	return f
}

// judged is c with its hosts marked as the Monitor holds them.
func (s *Server) judged(c *cluster.Cluster) *cluster.Cluster {
	verdicts := s.health.Verdicts(c.Name)
	return c.Judged(func(h *cluster.Host) (d cluster.Down) {
		v := verdicts[h.Address]
		if v.FailedCheck {
			d |= cluster.FailedCheck
		}
		if v.Ejected {
			d |= cluster.Ejected
		}
		return d
	})
}

// rejudge publishes the verdicts on the hosts of some clusters, in one Snapshot.
func (s *Server) rejudge(names []string) {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.stopping {
		return
	}
	var clusters cluster.Set
	for _, name := range names {
		old := s.snapshot.Clusters[name]
		if old == nil {
			continue
		}
		changed := s.judged(old)
		if changed == old {
			continue
		}
		if clusters == nil {
			clusters = maps.Clone(s.snapshot.Clusters)
		}
		clusters[name] = changed
	}
	if clusters == nil {
		return
	}
	if err := s.publish(&pipeline.Snapshot{Routers: s.snapshot.Routers, Clusters: clusters}); err != nil {
		s.log.Error("publish the health of hosts", "error", err)
	}
}

// tallies asks the loops for what they have counted.
type tallies struct{ *Server }

// Runs implements health.Loops.
func (t tallies) Runs(name, address string, ended [tally.RunKinds]int64) ([]tally.Runs, error) {
	return ask(t.Server, func(w *pipeline.Worker) (r tally.Runs) {
		if t := w.Clusters().Tally(name, address); t != nil {
			r = t.Runs(ended)
		}
		return r
	})
}

// Counts implements health.Loops.
func (t tallies) Counts(name string) (map[string]*tally.Counts, error) {
	loops, err := ask(t.Server, func(w *pipeline.Worker) map[string]*tally.Counts {
		taken := make(map[string]*tally.Counts)
		w.Clusters().Tallies(name, func(address string, t *cluster.Tally) {
			if taken[address] == nil {
				taken[address] = new(tally.Counts)
			}
			t.Take(taken[address])
		})
		return taken
	})
	sum := make(map[string]*tally.Counts)
	for _, taken := range loops {
		for address, c := range taken {
			if sum[address] == nil {
				sum[address] = new(tally.Counts)
			}
			c.MoveTo(sum[address])
		}
	}
	return sum, err
}
