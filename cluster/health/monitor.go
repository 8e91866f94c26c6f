// SPDX-License-Identifier: Apache-2.0

package health

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/sideloop/sideloop/cluster/tally"
	"github.com/sideloop/sideloop/config"
)

// Cluster is what is to be known of a cluster to judge its hosts.
type Cluster struct {
	Name  string
	Hosts []Host
	// Check and Outlier are nil where hosts are not judged in this way. They
	// must not change.
	Check   *config.HealthCheck
	Outlier *config.OutlierDetection
	// HTTP2 is the limits of connections to the hosts.
	HTTP2 *config.HTTP2Limits
	// Secure is how a connection to a host is encrypted that is to agree on a
	// protocol, if that is not empty; nil leaves it in plain text.
	Secure func(h Host, protocol string) *tls.Config
	// Transport is another wherever Secure is.
	Transport string
}

// Host is a host of a cluster. Address identifies it; Dial is where it is, empty
// for Address. Name is what TLS verifies, and Plain a host without.
type Host struct {
	Network, Address, Dial, Name string

	Plain bool
}

func (h *Host) dialAddress() string {
	if h.Dial != "" {
		return h.Dial
	}
	return h.Address
}

// Verdict is why a host is to get no requests; the zero value is a healthy one.
type Verdict struct{ FailedCheck, Ejected bool }

// Loops is what a Monitor asks the data plane for. Both methods may block.
type Loops interface {
	// Runs returns what each loop has seen of a host's failures in a row,
	// after runs were forgotten that began before the given times.
	Runs(cluster, address string, ended [tally.RunKinds]int64) ([]tally.Runs, error)
	// Counts returns what all loops together have counted since the last call,
	// by address.
	Counts(cluster string) (map[string]*tally.Counts, error)
}

// Options is what a Monitor needs of its surroundings.
type Options struct {
	Loops Loops
	// Changed tells that verdicts on hosts of these clusters have changed.
	// Changes that come close to each other are told together. It is called on
	// one goroutine and may block.
	Changed func(clusters []string)
	// EventLog opens a log of events. Its writer takes a line at each Write
	// and does not block.
	EventLog func(path string) (io.Writer, error)
	Log      *slog.Logger
}

// Monitor judges the hosts of the clusters that it follows.
type Monitor struct {
	options Options
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	dialer  net.Dialer

	scheduled signal // the schedule of probes has changed
	judging   signal // that of outlier detection has
	flipped   signal // verdicts have

	mu       sync.Mutex
	clusters map[string]*cluster
	queue    queue // hosts by when they are probed next
	probes   int   // under way
	kept     int   // connections kept between probes
	flips    map[string]struct{}
}

// signal wakes the one goroutine that waits for it.
type signal chan struct{}

func (s signal) raise() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// New returns a Monitor that follows no clusters and asks nobody yet.
func New(o Options) *Monitor {
	m := &Monitor{
		options:   o,
		scheduled: make(signal, 1),
		judging:   make(signal, 1),
		flipped:   make(signal, 1),
		clusters:  make(map[string]*cluster),
		flips:     make(map[string]struct{}),
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	return m
}

// Run starts to probe, and to look into alarms, whose channel the caller owns.
// It is called once.
func (m *Monitor) Run(alarms <-chan tally.Alarm) {
	m.running.Go(m.schedule)
	m.running.Go(m.publish)
	m.running.Go(func() { m.detect(alarms) })
}

// Stop ends all probes and returns when nothing of the Monitor runs any more.
// It may be called more than once, and without Run.
func (m *Monitor) Stop() {
	m.cancel()
	m.running.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.clusters {
		for _, h := range c.hosts {
			m.drop(h)
		}
	}
}

// publishDelay gathers verdicts that fall together, such as those on the hosts
// of a rack, into few snapshots.
const publishDelay = 20 * time.Millisecond

// publish tells of changed verdicts.
func (m *Monitor) publish() {
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-m.flipped:
		}
		select {
		case <-m.ctx.Done():
			return
		case <-time.After(publishDelay):
		}
		m.mu.Lock()
		names := make([]string, 0, len(m.flips))
		for name := range m.flips {
			names = append(names, name)
		}
		clear(m.flips)
		m.mu.Unlock()
		if len(names) > 0 {
			m.options.Changed(names)
		}
	}
}

// flip notes that a verdict in c has changed. The lock is held.
func (m *Monitor) flip(c *cluster) {
	m.flips[c.name] = struct{}{}
	m.flipped.raise()
}

// Verdicts is those on the hosts of a cluster that are not healthy, by address.
func (m *Monitor) Verdicts(name string) map[string]Verdict {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.clusters[name]
	if c == nil {
		return nil
	}
	var down map[string]Verdict
	for address, h := range c.hosts {
		if v := h.verdict(); v != (Verdict{}) && !h.gone {
			if down == nil {
				down = make(map[string]Verdict)
			}
			down[address] = v
		}
	}
	return down
}

// epoch is where a Monitor's time begins.
var epoch = time.Now()

// now is monotonic nanoseconds.
func now() int64 { return int64(time.Since(epoch)) }
