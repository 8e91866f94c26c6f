// SPDX-License-Identifier: Apache-2.0

package server

import (
	"slices"
	"strings"
	"sync"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline"
	"github.com/sideloop/sideloop/stats"
)

// meters are the counters of listeners and clusters by name. They survive a
// change of their object, and go with its name.
type meters struct {
	mu                  sync.Mutex
	listeners, clusters map[string]*stats.Meter
}

// listener returns the meter of a listener.
func (m *meters) listener(name string, loops int) *stats.Meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	return meterOf(&m.listeners, name, loops)
}

func meterOf(all *map[string]*stats.Meter, name string, loops int) *stats.Meter {
	if *all == nil {
		*all = make(map[string]*stats.Meter)
	}
	found := (*all)[name]
	if found == nil {
		found = stats.NewMeter(loops)
		(*all)[name] = found
	}
	return found
}

// attach gives the clusters of a snapshot that nobody has seen yet their meters.
func (m *meters) attach(s *pipeline.Snapshot, loops int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, c := range s.Clusters {
		if c.Meter == nil {
			c.Meter = meterOf(&m.clusters, name, loops)
		}
	}
}

// prune forgets what a configuration does not name.
func (m *meters) prune(c *config.Config) {
	m.mu.Lock()
	defer m.mu.Unlock()
	keep := make(map[string]bool)
	for i := range c.Server.Listeners {
		keep[c.Server.Listeners[i].Name] = true
	}
	for name := range m.listeners {
		if !keep[name] {
			delete(m.listeners, name)
		}
	}
	clear(keep)
	for i := range c.Clusters {
		keep[c.Clusters[i].Name] = true
	}
	for name := range m.clusters {
		if !keep[name] {
			delete(m.clusters, name)
		}
	}
}

// namedMeter is a meter with what it measures.
type namedMeter struct {
	name  string
	meter *stats.Meter
}

// list returns the meters by name.
func (m *meters) list() (listeners, clusters []namedMeter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return sorted(m.listeners), sorted(m.clusters)
}

func sorted(m map[string]*stats.Meter) []namedMeter {
	list := make([]namedMeter, 0, len(m))
	for name, meter := range m {
		list = append(list, namedMeter{name, meter})
	}
	slices.SortFunc(list, func(a, b namedMeter) int { return strings.Compare(a.name, b.name) })
	return list
}
