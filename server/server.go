// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sideloop/sideloop/accesslog"
	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/cluster/discovery"
	"github.com/sideloop/sideloop/cluster/health"
	"github.com/sideloop/sideloop/cluster/tally"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/handover"
	"github.com/sideloop/sideloop/overload"
	"github.com/sideloop/sideloop/pipeline"
	"github.com/sideloop/sideloop/stats"
	"github.com/sideloop/sideloop/tracing"
)

// DefaultIdleTimeout closes downstream connections on which nothing happens. It
// is MOSN's; SOFARPC clients send heartbeats well within it.
const DefaultIdleTimeout = 90 * time.Second

// answerTimeout is how long a loop may take to answer a task from outside
// before it is reported stuck.
const answerTimeout = time.Second

// Options is what the command line says.
type Options struct {
	// Concurrency is the number of loops; 0 leaves it to the environment, the
	// configuration or the machine.
	Concurrency int
	// Zone is where the proxy is; empty leaves it to the configuration.
	Zone string
	// Sockets are those that the process was given: listeners of the same
	// address need no others.
	Sockets *handover.Sockets
	// Hold leaves new connections in the kernel's queues until Accept.
	Hold bool
}

// Server is a running proxy.
type Server struct {
	reactor   *eventloop.Reactor
	workers   []*pipeline.Worker
	pressure  overload.Pressure
	monitor   *overload.Monitor
	listeners []*listener
	leaving   []*listener // whose connections still finish what they carry
	logs      *Logs
	access    *accesslog.Files
	log       *slog.Logger
	health    *health.Monitor
	// publishing is held while snapshot, the current one, is replaced.
	publishing sync.Mutex
	snapshot   *pipeline.Snapshot
	config     *config.Config
	meters     meters
	tracer     *tracing.Exporter // nil until tracing is first on
	sampler    sampler
	began      time.Time
	reloads    Reloads
	stopping   bool
	succession succession
	given      *handover.Sockets
	reloading  atomic.Int32 // calls of Reload
	discovery  *discovery.Watcher
	// zone is what the command line says; empty leaves it to the configuration.
	zone     string
	watching sync.Mutex // held while certificates are read again
	stopped  chan struct{}
	renewal  sync.Once // the goroutine that does so, where there are any
	watcher  sync.WaitGroup
	stop     sync.Once
	stopErr  error
}

// Start runs the proxy that c describes. When it returns, every listener is
// bound and routes by c. On an error nothing is left running.
func Start(c *config.Config, o Options) (*Server, error) {
	snapshot, err := newSnapshot(c, nil, nil, o.Zone)
	if err != nil {
		return nil, err
	}
	s := &Server{logs: new(Logs), config: c, zone: o.Zone, given: o.Sockets, stopped: make(chan struct{}), began: time.Now()}
	s.reloads.Latest = s.began
	if s.log, err = s.logs.Logger(c.Server.LogPath, c.Server.LogLevel); err != nil {
		return nil, err
	}
	s.health = s.newMonitor()
	if err = s.start(c, o, snapshot); err != nil {
		return nil, errors.Join(err, s.Stop(context.Background()))
	}
	return s, nil
}

func (s *Server) start(c *config.Config, o Options, snapshot *pipeline.Snapshot) (err error) {
	loops := concurrency(o.Concurrency, c.Server.Processor)
	// One more than the loops, which sit in system calls most of the time, for
	// everything that is not on a loop.
	runtime.GOMAXPROCS(loops + 1)
	if s.reactor, err = eventloop.Start(eventloop.Options{Loops: loops, Logger: s.log}); err != nil {
		return err
	}
	s.access = accesslog.NewFiles(loops, s.log)
	sessions := upstreamSessions()
	alarms := make(chan tally.Alarm, alarmQueue)
	judge := &cluster.Judge{Loops: loops, Alarms: alarms}
	for _, l := range s.reactor.Loops() {
		w := pipeline.NewWorker(l, sessions)
		w.Clusters().ReportTo(judge)
		s.workers = append(s.workers, w)
	}
	if err = s.followAll(snapshot.Clusters); err != nil {
		return err
	}
	s.watch(&c.Server.Overload)
	s.meters.attach(snapshot, len(s.workers))
	if err = s.publish(snapshot); err != nil {
		return err
	}
	s.trace(c)
	s.health.Run(alarms)
	s.discover()
	for i := range c.Server.Listeners {
		l, err := s.bind(c, &c.Server.Listeners[i])
		if err != nil {
			return err
		}
		if l != nil {
			s.listeners = append(s.listeners, l)
			if !o.Hold {
				s.serve(l)
			}
		}
	}
	s.startRenewal()
	return nil
}

// Accept accepts connections after a Start that held them back.
func (s *Server) Accept() {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	for _, l := range s.listeners {
		s.serve(l)
	}
}

// concurrency is the number of loops: what the command line says, else the
// environment, else the configuration, else two, as far as there are CPUs.
func concurrency(asked, processor int) int {
	if asked > 0 {
		return asked
	}
	if n, err := strconv.Atoi(os.Getenv("GOMAXPROCS")); err == nil && n > 0 {
		return n
	}
	if processor > 0 {
		return processor
	}
	return min(2, runtime.GOMAXPROCS(0))
}

// publish gives every loop a new Snapshot and waits until all have adopted it.
// It is called with publishing held, or before the first listener is there.
func (s *Server) publish(snapshot *pipeline.Snapshot) error {
	if s.snapshot != nil {
		snapshot.Clusters.Inherit(s.snapshot.Clusters)
	}
	s.snapshot = snapshot
	_, err := ask(s, func(w *pipeline.Worker) struct{} {
		w.Adopt(snapshot)
		return struct{}{}
	})
	return err
}

// ask runs f for every worker on its loop and returns the answers. f must not
// block.
func ask[T any](s *Server, f func(*pipeline.Worker) T) ([]T, error) {
	answers := make(chan T, len(s.workers))
	for i, w := range s.workers {
		s.reactor.Loops()[i].Post(func() { answers <- f(w) })
	}
	timeout := time.After(answerTimeout)
	all := make([]T, 0, len(s.workers))
	for range s.workers {
		select {
		case a := <-answers:
			all = append(all, a)
		case <-timeout:
			return nil, fmt.Errorf("a loop did not answer within %v: it is stuck", answerTimeout)
		}
	}
	return all, nil
}

// askOne runs f for one worker on its loop and returns the answer. f must not
// block.
func askOne[T any](s *Server, i int, f func(*pipeline.Worker) T) (answer T, err error) {
	answers := make(chan T, 1)
	s.reactor.Loops()[i].Post(func() { answers <- f(s.workers[i]) })
	select {
	case answer = <-answers:
		return answer, nil
	case <-time.After(answerTimeout):
		return answer, fmt.Errorf("loop %d did not answer within %v: it is stuck", i, answerTimeout)
	}
}

// Stats returns the sum of all loops' counters.
func (s *Server) Stats() (*stats.Block, error) {
	blocks, err := ask(s, func(w *pipeline.Worker) *stats.Block {
		b := new(stats.Block)
		w.Stats().AddTo(b)
		return b
	})
	sum := new(stats.Block)
	for _, b := range blocks {
		b.AddTo(sum)
	}
	return sum, err
}

// Held is what all loops hold in buffers, in bytes by purpose.
func (s *Server) Held() (sum [codec.PurposeCount]int, err error) {
	all, err := ask(s, func(w *pipeline.Worker) (used [codec.PurposeCount]int) {
		for p := range used {
			used[p] = w.Memory().Used(codec.Purpose(p))
		}
		return used
	})
	for _, used := range all {
		for p, n := range used {
			sum[p] += n
		}
	}
	return sum, err
}

// Turns is the sum of all loops' own counters of turns, reads and writes.
func (s *Server) Turns() (eventloop.Stats, error) {
	all, err := ask(s, func(w *pipeline.Worker) eventloop.Stats { return w.Loop().Stats() })
	var sum eventloop.Stats
	for _, one := range all {
		sum.Add(one)
	}
	return sum, err
}
