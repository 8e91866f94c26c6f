// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"bytes"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/config"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// gnet's pool of enrolling goroutines belongs to the process.
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
	)
}

// zone is a DNS server on loopback, over UDP and TCP.
type zone struct {
	address string
	mu      sync.Mutex
	records map[string][]string // by absolute name and type, as "name. A"
	rcode   int                 // of every answer, if it is not 0
	silent  bool                // no answer at all
	long    bool                // UDP answers are truncated
	asked   []string
}

func newZone(t *testing.T) *zone {
	t.Helper()
	z := &zone{records: make(map[string][]string)}
	pc, ln := bindBoth(t)
	z.address = pc.LocalAddr().String()
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: z}, {Listener: ln, Handler: z}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			_ = s.ActivateAndServe() // ends with Shutdown
		}()
		<-started
		t.Cleanup(func() {
			if err := s.Shutdown(); err != nil {
				t.Error(err)
			}
			<-stopped
		})
	}
	return z
}

// bindBoth takes a port that is free for UDP and for TCP.
func bindBoth(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", pc.LocalAddr().String())
		if err == nil {
			return pc, ln
		}
		pc.Close()
	}
	t.Fatal("no port is free for both")
	return nil, nil
}

// ServeDNS implements dns.Handler.
func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	name := q.Question[0].Name + " " + dns.TypeToString[q.Question[0].Qtype]
	z.asked = append(z.asked, name)
	if z.silent {
		return
	}
	a := new(dns.Msg)
	a.SetReply(q)
	a.Rcode = z.rcode
	records, known := z.records[name]
	if !known && a.Rcode == dns.RcodeSuccess {
		a.Rcode = dns.RcodeNameError
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp && z.long {
		a.Truncated = true
		records = nil
	}
	for _, r := range records {
		rr, err := dns.NewRR(r)
		if err != nil {
			panic(err)
		}
		a.Answer = append(a.Answer, rr)
	}
	_ = w.WriteMsg(a) // the client may have gone
}

// change changes the zone.
func (z *zone) change(f func(z *zone)) {
	z.mu.Lock()
	defer z.mu.Unlock()
	f(z)
}

func (z *zone) set(name string, records ...string) {
	z.change(func(z *zone) { z.records[name] = records })
}

func (z *zone) questions() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.asked)
}

// dns is the settings that ask this server often.
func (z *zone) dns() config.DNS {
	return config.DNS{RefreshRate: 20 * time.Millisecond, Servers: []string{z.address}, Ndots: 1, Timeout: time.Second, Attempts: 2}
}

// holder stands for a server with one cluster.
type holder struct {
	mu      sync.Mutex
	cluster *cluster.Cluster
	updates int
}

func (h *holder) update(name string, change func(*cluster.Cluster) *cluster.Cluster) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := change(h.cluster); n != h.cluster && name == h.cluster.Name {
		h.cluster = n
		h.updates++
	}
	return nil
}

func (h *holder) get() (*cluster.Cluster, int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cluster, h.updates
}

// addresses are those of the cluster's hosts; of LOGICAL_DNS with where they are.
func (h *holder) addresses() []string {
	c, _ := h.get()
	var list []string
	for _, host := range c.Hosts {
		text := host.Address
		if host.Dial != "" {
			text += "=" + host.Dial
		}
		list = append(list, text)
	}
	return list
}

// logged is a log that a test reads.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.text.Bytes(), []byte(what))
}

// started is a watcher of one cluster with these hosts.
func started(t *testing.T, kind config.ClusterType, d config.DNS, hosts ...config.Host) (*holder, *logged) {
	t.Helper()
	c := config.Cluster{Name: "c", Type: kind, DNS: d, Hosts: hosts}
	h, l := &holder{cluster: cluster.New(&c)}, new(logged)
	w := NewWatcher(h.update, slog.New(slog.NewTextHandler(l, nil)))
	w.Watch([]config.Cluster{c, {Name: "other", Type: config.Simple, Hosts: hosts}})
	t.Cleanup(w.Stop)
	return h, l
}

const waitLimit = 20 * time.Second

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitLimit); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", waitLimit, what)
		}
	}
}

func (h *holder) want(t *testing.T, addresses ...string) {
	t.Helper()
	eventually(t, "the hosts are as wanted", func() bool { return slices.Equal(h.addresses(), addresses) })
}
