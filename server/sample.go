// SPDX-License-Identifier: Apache-2.0

package server

import (
	"slices"
	"sync"
	"time"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline"
	"github.com/sideloop/sideloop/stats"
)

// sampleAge is how old a sample may be: readers within it share one.
const sampleAge = time.Second

// Sample is the counters of all loops at one moment. It never changes.
type Sample struct {
	At    time.Time
	Loops []LoopSample
	// Block, Listeners and Clusters are the sums over the loops. What a stuck
	// loop has counted is what it last told.
	Block               stats.Block
	Listeners, Clusters []TrafficSample
	Hosts               map[HostKey]HostSample
	// Failures are the latest failed requests, the last one first.
	Failures []Failure
	// Malformed are the latest messages that broke their protocol, of each loop,
	// protocol and direction, the last one first.
	Malformed []Malformed
}

// Malformed is a message that broke its protocol.
type Malformed = pipeline.Malformed

// Failure is one request that failed.
type Failure = pipeline.Failure

// LoopSample is one loop.
type LoopSample struct {
	// Stuck loops have not answered within a second.
	Stuck bool
	// Lag is how long the loop took to begin its answer: what anything waits
	// that becomes ready.
	Lag   time.Duration
	Turns eventloop.Stats
	Held  [codec.PurposeCount]int
}

// TrafficSample is the requests of one listener or cluster.
type TrafficSample struct {
	Name string
	stats.Traffic
}

// HostKey names a host of a cluster.
type HostKey struct{ Cluster, Address string }

// HostSample is a host as all loops see it together.
type HostSample struct {
	Connections, Dialing, InFlight, Waiting int
	// Tries have ended, Failed of them other than by success, after Spent in all.
	Tries, Failed uint64
	Spent         time.Duration
	// Latency is what the loop expects that has the worst view of the host.
	Latency time.Duration
	// Failing is on how many loops its last dial failed, Failure why.
	Failing int
	Failure codec.Reason
}

// Stuck is the numbers of the loops that have not answered.
func (s *Sample) Stuck() []int {
	var all []int
	for i := range s.Loops {
		if s.Loops[i].Stuck {
			all = append(all, i)
		}
	}
	return all
}

// sampler takes samples, one at a time.
type sampler struct {
	mu       sync.Mutex
	latest   *Sample
	readings []*reading
}

// reading is one loop's answers. The loop writes to next while asked is set; the
// rest, and next otherwise, are the sampler's.
type reading struct {
	asked      bool
	answered   chan struct{}
	told, next *account
}

// account is what one loop tells of itself, in memory that is used again.
type account struct {
	worker *pipeline.Worker
	posted time.Time

	LoopSample
	block stats.Block
	// listed and grouped are what listeners and clusters are about.
	listed, grouped     []namedMeter
	listeners, clusters []stats.Traffic
	hosts               []cluster.HostReport
	failures            []pipeline.Failure
	failed              uint64 // how many there were
	malformed           []pipeline.Malformed
	broken              uint64 // the same
}

// Sample implements Control.
func (s *Server) Sample() *Sample {
	m := &s.sampler
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.latest != nil && time.Since(m.latest.At) < sampleAge {
		return m.latest
	}
	if m.readings == nil {
		for _, w := range s.workers {
			m.readings = append(m.readings, &reading{
				answered: make(chan struct{}, 1),
				told:     &account{worker: w}, next: &account{worker: w},
			})
		}
	}
	listeners, clusters := s.meters.list()
	for i, r := range m.readings {
		if r.asked {
			continue // and has not answered yet
		}
		a := r.next
		a.prepare(listeners, clusters)
		r.asked = s.reactor.Loops()[i].Post(func() {
			a.take()
			r.answered <- struct{}{}
		})
	}
	m.collect()
	m.latest = m.sum(listeners, clusters)
	return m.latest
}

// prepare makes room for what the loop will tell.
func (a *account) prepare(listeners, clusters []namedMeter) {
	a.posted = time.Now()
	a.listed, a.listeners = listeners, fit(a.listeners, len(listeners))
	a.grouped, a.clusters = clusters, fit(a.clusters, len(clusters))
}

func fit(room []stats.Traffic, n int) []stats.Traffic {
	if len(room) == n {
		return room
	}
	return make([]stats.Traffic, n)
}

// take runs on the loop: it copies plain words, and allocates only what has grown
// since the last time.
func (a *account) take() {
	w := a.worker
	a.Lag = time.Since(a.posted)
	a.Turns = w.Loop().Stats()
	w.Loop().TakeLongest()
	for p := range a.Held {
		a.Held[p] = w.Memory().Used(codec.Purpose(p))
	}
	a.block = stats.Block{}
	w.Stats().AddTo(&a.block)
	loop := w.Loop().Index()
	for i := range a.listed {
		a.listed[i].meter.Loop(loop).CopyTo(&a.listeners[i])
	}
	for i := range a.grouped {
		a.grouped[i].meter.Loop(loop).CopyTo(&a.clusters[i])
	}
	if n := w.Failures(); n != a.failed {
		a.failures, a.failed = w.Recent(a.failures[:0]), n
	}
	if n := w.MalformedTotal(); n != a.broken {
		a.malformed, a.broken = w.Malformed(a.malformed[:0]), n
	}
	a.hosts = a.hosts[:0]
	w.Clusters().Report(func(h cluster.HostReport) { a.hosts = append(a.hosts, h) })
}

// collect waits for the loops that were asked, together for answerTimeout.
func (m *sampler) collect() {
	timeout := time.NewTimer(answerTimeout)
	defer timeout.Stop()
	for _, r := range m.readings {
		if !r.asked {
			continue // it has stopped
		}
		select {
		case <-r.answered:
			r.swap()
			continue
		default:
		}
		select {
		case <-r.answered:
			r.swap()
		case <-timeout.C:
			timeout.Reset(0) // for the next one
		}
	}
}

// swap takes an answer.
func (r *reading) swap() {
	r.asked = false
	r.told, r.next = r.next, r.told
}

// sum adds up what the loops have told.
func (m *sampler) sum(listeners, clusters []namedMeter) *Sample {
	s := &Sample{Hosts: make(map[HostKey]HostSample)}
	s.Listeners = samplesOf(listeners, m.readings, func(a *account) ([]namedMeter, []stats.Traffic) { return a.listed, a.listeners })
	s.Clusters = samplesOf(clusters, m.readings, func(a *account) ([]namedMeter, []stats.Traffic) { return a.grouped, a.clusters })
	for _, r := range m.readings {
		one := r.told.LoopSample
		one.Stuck = r.asked
		s.Loops = append(s.Loops, one)
		r.told.block.AddTo(&s.Block)
		for i := range r.told.hosts {
			s.host(&r.told.hosts[i])
		}
		s.Failures = append(s.Failures, r.told.failures...)
		s.Malformed = append(s.Malformed, r.told.malformed...)
	}
	slices.SortStableFunc(s.Failures, func(a, b pipeline.Failure) int { return b.At.Compare(a.At) })
	slices.SortStableFunc(s.Malformed, func(a, b pipeline.Malformed) int { return b.Time.Compare(a.Time) })
	s.At = time.Now()
	return s
}

// samplesOf adds up one kind of traffic by name.
func samplesOf(names []namedMeter, readings []*reading, of func(*account) ([]namedMeter, []stats.Traffic)) []TrafficSample {
	all := make([]TrafficSample, len(names))
	index := make(map[string]*TrafficSample, len(names))
	for i := range names {
		all[i].Name = names[i].name
		index[names[i].name] = &all[i]
	}
	for _, r := range readings {
		named, traffic := of(r.told)
		for i := range named {
			if sum := index[named[i].name]; sum != nil {
				traffic[i].AddTo(&sum.Traffic)
			}
		}
	}
	return all
}

func (s *Sample) host(r *cluster.HostReport) {
	key := HostKey{r.Cluster, r.Address}
	h := s.Hosts[key]
	h.Connections += r.Connections
	h.Dialing += r.Dialing
	h.InFlight += r.InFlight
	h.Waiting += r.Waiting
	h.Tries += r.Tries
	h.Failed += r.Failed
	h.Spent += r.Spent
	h.Latency = max(h.Latency, r.Latency)
	if r.Failure != codec.ReasonNone {
		h.Failing++
		h.Failure = r.Failure
	}
	s.Hosts[key] = h
}

// Turns is the sum of all loops' own counters.
func (s *Sample) Turns() (sum eventloop.Stats) {
	for i := range s.Loops {
		sum.Add(s.Loops[i].Turns)
	}
	return sum
}
