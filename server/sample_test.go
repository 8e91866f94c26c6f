// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline"
	"github.com/sideloop/sideloop/stats"
)

func startSampled(t *testing.T) *Server {
	t.Helper()
	c, problems := config.Parse("test.json", []byte(`{"servers": [{"default_log_level": "ERROR", "listeners": [{"name": "in", "address": "127.0.0.1:0", "bind_port": true,
		"filter_chains": [{"filters": [{"type": "proxy", "config": {"downstream_protocol": "Http2", "virtual_hosts": [{"domains": ["*"]}]}}]}]}]}],
		"cluster_manager": {"clusters": [{"name": "c", "hosts": [{"address": "127.0.0.1:8080"}]}]}}`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s, err := Start(c, Options{Concurrency: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(context.Background()) })
	return s
}

// age makes the latest sample too old to be shared.
func (s *Server) age() {
	s.sampler.mu.Lock()
	defer s.sampler.mu.Unlock()
	if s.sampler.latest != nil {
		s.sampler.latest.At = time.Time{}
	}
}

// tasks is how many posts the loops have run.
func tasks(s *Server) (n uint64) {
	for _, l := range s.Sample().Loops {
		n += l.Turns.Tasks
	}
	return n
}

func TestReadersShareASample(t *testing.T) {
	s := startSampled(t)
	before := tasks(s)
	s.age()
	began := time.Now()
	var all sync.Map
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { all.Store(s.Sample(), true) })
	}
	wg.Wait()
	samples := uint64(time.Since(began)/sampleAge) + 1
	n := uint64(0)
	all.Range(func(any, any) bool { n++; return true })
	if n > samples {
		t.Errorf("%d samples in %d s", n, samples)
	}
	s.age()
	if posted := tasks(s) - before; posted > 2*(samples+1) {
		t.Errorf("%d tasks for %d samples of 2 loops", posted, samples+1)
	}
}

// A loop that does not answer is named; what it has told before still counts, and
// it is not asked again before it has answered.
func TestSampleOfAStuckLoop(t *testing.T) {
	s := startSampled(t)
	count := func() {
		ask(s, func(w *pipeline.Worker) struct{} { w.Stats().Add(stats.DownstreamRequests); return struct{}{} })
	}
	count()
	if got := s.Sample(); got.Block.Get(stats.DownstreamRequests) != 2 || len(got.Stuck()) != 0 {
		t.Fatalf("%d requests, stuck %v", got.Block.Get(stats.DownstreamRequests), got.Stuck())
	}
	let, held := make(chan struct{}), make(chan struct{})
	s.reactor.Loops()[1].Post(func() { close(held); <-let })
	<-held
	for range 3 {
		s.age()
		got := s.Sample()
		if !slices.Equal(got.Stuck(), []int{1}) || got.Block.Get(stats.DownstreamRequests) != 2 {
			t.Errorf("stuck %v, %d requests", got.Stuck(), got.Block.Get(stats.DownstreamRequests))
		}
	}
	turns := s.Sample().Loops[1].Turns.Tasks
	close(let)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		s.age()
		if got := s.Sample(); len(got.Stuck()) == 0 {
			break
		} else if time.Now().After(deadline) {
			t.Fatal("the loop counts as stuck for ever")
		}
	}
	s.age()
	got := s.Sample().Loops[1].Turns
	if got.Longest == 0 && got.Busy == 0 {
		t.Error("the long turn is not told")
	}
	if n := got.Tasks - turns; n > 10 {
		t.Errorf("%d tasks were posted to a loop that is stuck", n)
	}
}

// Counters survive a change of their object and go with its name.
func TestMetersFollowTheConfiguration(t *testing.T) {
	s := startSampled(t)
	s.listeners[0].chain.Load().Meter.Loop(0).Begin()
	s.snapshot.Clusters["c"].Meter.Loop(1).End(0, 200)
	next := *s.config
	next.Clusters = slices.Clone(next.Clusters)
	next.Clusters[0].ConnectTimeout++
	next.Server.Listeners = slices.Clone(next.Server.Listeners)
	next.Server.Listeners[0].IdleTimeout = time.Minute
	if _, err := s.Reload(&next); err != nil {
		t.Fatal(err)
	}
	got := s.Sample()
	if got.Listeners[0].Begun() != 1 || got.Clusters[0].Ended() != 1 {
		t.Errorf("%d requests of the listener, %d of the cluster", got.Listeners[0].Begun(), got.Clusters[0].Ended())
	}
	last := next
	last.Clusters, last.Server.Listeners = nil, nil
	if _, err := s.Reload(&last); err != nil {
		t.Fatal(err)
	}
	s.age()
	if got := s.Sample(); len(got.Listeners)+len(got.Clusters) > 0 {
		t.Errorf("what is gone still has counters: %+v", got)
	}
	if r := s.Reloads(); r.Applied != 2 || r.Refused != 0 || !r.Latest.After(s.Began()) {
		t.Errorf("%+v", r)
	}
}
