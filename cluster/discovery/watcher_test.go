// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/config"
)

var discard = slog.New(slog.DiscardHandler)

// Every address of each name is a host, with the settings of the name; an
// address of the file stays.
func TestStrictDNS(t *testing.T) {
	z := newZone(t)
	z.set("a.test. A", "a.test. 1 IN A 10.0.0.2", "a.test. 1 IN A 10.0.0.1")
	h, _ := started(t, config.StrictDNS, z.dns(),
		config.Host{Address: "a.test:80", Weight: 3, Metadata: map[string]string{"zone": "z"}},
		config.Host{Address: "10.9.9.9:80", Weight: 1}, config.Host{Address: "b.test:81", Weight: 1})
	// A name without an answer yet stays, to be resolved when connecting.
	h.want(t, "10.0.0.1:80", "10.0.0.2:80", "10.9.9.9:80", "b.test:81")
	c, _ := h.get()
	if host := c.Hosts[0]; host.Weight != 3 || host.Labels["zone"] != "z" || string(host.Authority) != "a.test:80" {
		t.Errorf("the host is %+v", host)
	}
	z.set("b.test. A", "b.test. 1 IN A 10.0.0.1")
	h.want(t, "10.0.0.1:80", "10.0.0.2:80", "10.9.9.9:80", "10.0.0.1:81")
	z.set("a.test. A", "a.test. 1 IN A 10.0.0.3")
	h.want(t, "10.0.0.3:80", "10.9.9.9:80", "10.0.0.1:81")
}

// Resolvers rotate their answers; that changes nothing.
func TestRotationIsNoChange(t *testing.T) {
	z := newZone(t)
	z.set("a.test. A", "a.test. 1 IN A 10.0.0.1", "a.test. 1 IN A 10.0.0.2")
	h, _ := started(t, config.StrictDNS, z.dns(), config.Host{Address: "a.test:80"})
	h.want(t, "10.0.0.1:80", "10.0.0.2:80")
	_, before := h.get()
	z.set("a.test. A", "a.test. 1 IN A 10.0.0.2", "a.test. 1 IN A 10.0.0.1", "a.test. 1 IN A 10.0.0.2")
	n := len(z.questions())
	eventually(t, "it is asked again", func() bool { return len(z.questions()) > n+2 })
	if _, after := h.get(); after != before {
		t.Errorf("%d updates, before %d", after, before)
	}
}

// A verdict of a health check outlives a change of the other addresses, and the
// host that stays is the same value.
func TestVerdictsOutliveAnswers(t *testing.T) {
	z := newZone(t)
	z.set("a.test. A", "a.test. 1 IN A 10.0.0.1")
	h, _ := started(t, config.StrictDNS, z.dns(), config.Host{Address: "a.test:80"})
	h.want(t, "10.0.0.1:80")
	if err := h.update("c", func(c *cluster.Cluster) *cluster.Cluster { return c.Mark("10.0.0.1:80", cluster.FailedCheck, true) }); err != nil {
		t.Fatal(err)
	}
	marked, _ := h.get()
	z.set("a.test. A", "a.test. 1 IN A 10.0.0.1", "a.test. 1 IN A 10.0.0.2")
	h.want(t, "10.0.0.1:80", "10.0.0.2:80")
	if c, _ := h.get(); c.Hosts[0] != marked.Hosts[0] || c.Hosts[0].Down != cluster.FailedCheck {
		t.Error("the host was replaced")
	}
}

// LOGICAL_DNS is one host for each name, whatever its address is now.
func TestLogicalDNS(t *testing.T) {
	z := newZone(t)
	z.set("a.test. A", "a.test. 1 IN A 10.0.0.2", "a.test. 1 IN A 10.0.0.1")
	h, _ := started(t, config.LogicalDNS, z.dns(), config.Host{Address: "a.test:80"})
	h.want(t, "a.test:80=10.0.0.2:80")
	z.set("a.test. A", "a.test. 1 IN A 10.0.0.1")
	h.want(t, "a.test:80=10.0.0.1:80")
}

// Without an answer the hosts stay, which is said once; then with one.
func TestFailureKeepsTheLastAnswer(t *testing.T) {
	for name, breakDown := range map[string]func(z *zone){
		"server failure": func(z *zone) { z.rcode = dns.RcodeServerFailure },
		"no such name":   func(z *zone) { clear(z.records) },
		"no answer":      func(z *zone) { z.silent = true },
		"no address":     func(z *zone) { z.records["a.test. A"] = []string{} },
	} {
		t.Run(name, func(t *testing.T) {
			z := newZone(t)
			z.set("a.test. A", "a.test. 1 IN A 10.0.0.1")
			d := z.dns()
			d.Timeout = 20 * time.Millisecond
			h, log := started(t, config.StrictDNS, d, config.Host{Address: "a.test:80"})
			h.want(t, "10.0.0.1:80")
			z.change(breakDown)
			n := len(z.questions())
			eventually(t, "it is asked again", func() bool { return len(z.questions()) > n+3 })
			if got := h.addresses(); !slices.Equal(got, []string{"10.0.0.1:80"}) {
				t.Errorf("the hosts are %v", got)
			}
			if n := log.count("no answer; the hosts stay"); n != 1 {
				t.Errorf("logged %d times", n)
			}
			z.change(func(z *zone) {
				z.rcode, z.silent = 0, false
				z.records["a.test. A"] = []string{"a.test. 1 IN A 10.0.0.2"}
			})
			h.want(t, "10.0.0.2:80")
			eventually(t, "it is logged", func() bool { return log.count("resolves again") == 1 })
		})
	}
}

func TestWaitAfterFailures(t *testing.T) {
	n := &watched{cluster: &config.Cluster{DNS: config.DNS{RefreshRate: 5 * time.Second}}}
	var waits []time.Duration
	for range 7 {
		waits = append(waits, n.retryIn())
		n.failures++
	}
	want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second}
	if !slices.Equal(waits, want) {
		t.Errorf("%v", waits)
	}
}

// The time to live says when to ask again, that of the way there included.
func TestTimeToLive(t *testing.T) {
	for _, tt := range []struct {
		name    string
		respect bool
		ttl     int
		want    time.Duration
	}{
		{"not respected", false, 60, 20 * time.Millisecond},
		{"respected", true, 60, 60 * time.Second},
		{"very short", true, 0, time.Second},
		{"very long", true, 1 << 30, 24 * time.Hour},
	} {
		z := newZone(t)
		z.set("a.test. A", "a.test. 2147483647 IN CNAME b.test.", fmt.Sprintf("b.test. %d IN A 10.0.0.1", tt.ttl))
		d := z.dns()
		d.RespectTTL = tt.respect
		r, err := newResolver(&d)
		if err != nil {
			t.Fatal(err)
		}
		c := &config.Cluster{Name: "c", Type: config.StrictDNS, DNS: d, Hosts: []config.Host{{Address: "a.test:80"}}}
		h := &holder{cluster: cluster.New(c)}
		w := NewWatcher(h.update, discard)
		n := &watched{watcher: w, cluster: c, members: newMembership(c), resolver: r, name: "a.test"}
		if got := n.resolve(t.Context()); got != tt.want {
			t.Errorf("%s: asked again after %v, want %v", tt.name, got, tt.want)
		}
		w.Stop()
	}
}

func TestFamilies(t *testing.T) {
	z := newZone(t)
	z.set("a.test. A", "a.test. 1 IN A 10.0.0.1")
	z.set("a.test. AAAA", "a.test. 1 IN AAAA fd00::1")
	z.set("v6.test. AAAA", "v6.test. 1 IN AAAA fd00::2")
	for _, tt := range []struct {
		family config.AddressFamily
		name   string
		want   string
	}{
		{config.IPv4, "a.test", "[10.0.0.1]"}, {config.IPv6, "a.test", "[fd00::1]"}, {config.AnyFamily, "a.test", "[10.0.0.1 fd00::1]"},
		{config.AnyFamily, "v6.test", "[fd00::2]"}, {config.IPv4, "v6.test", "[]"}, {config.IPv6, "localhost", "[::1]"}, {config.IPv4, "localhost.", "[127.0.0.1]"},
	} {
		d := z.dns()
		d.Family = tt.family
		r, _ := newResolver(&d)
		found, _, err := r.lookup(t.Context(), tt.name)
		if got := fmt.Sprint(found); got != tt.want || (err != nil) != (tt.want == "[]") {
			t.Errorf("family %d of %s: %s, %v; want %s", tt.family, tt.name, got, err, tt.want)
		}
	}
}

func TestLongAnswersComeOverTCP(t *testing.T) {
	z := newZone(t)
	z.set("a.test. A", "a.test. 1 IN A 10.0.0.1", "a.test. 1 IN A 10.0.0.2")
	z.change(func(z *zone) { z.long = true })
	h, _ := started(t, config.StrictDNS, z.dns(), config.Host{Address: "a.test:80"})
	h.want(t, "10.0.0.1:80", "10.0.0.2:80")
}

// The domains to try stand before or after the name itself, by its dots.
func TestSearch(t *testing.T) {
	for _, tt := range []struct {
		name string
		want []string
	}{
		{"a", []string{"a.x.test. A", "a.y.test. A", "a. A"}},
		{"a.b", []string{"a.b. A", "a.b.x.test. A", "a.b.y.test. A"}},
		{"a.b.", []string{"a.b. A"}},
	} {
		z := newZone(t)
		d := z.dns()
		d.Search = []string{"x.test", "y.test."}
		r, _ := newResolver(&d)
		if _, _, err := r.lookup(t.Context(), tt.name); err == nil {
			t.Error("an answer without a record")
		}
		if got := z.questions(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: asked %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A server that fails is passed by, each as often as configured; one that knows
// that there is no such name is believed.
func TestServersAreTriedInOrder(t *testing.T) {
	bad, good := newZone(t), newZone(t)
	bad.change(func(z *zone) { z.rcode = dns.RcodeRefused })
	good.set("a.test. A", "a.test. 1 IN A 10.0.0.1")
	d := bad.dns()
	d.Servers = []string{bad.address, good.address}
	r, _ := newResolver(&d)
	if found, _, err := r.lookup(t.Context(), "a.test"); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
	good.change(func(z *zone) { z.rcode = dns.RcodeServerFailure })
	if _, _, err := r.lookup(t.Context(), "a.test."); err == nil || len(bad.questions()) != 3 {
		t.Errorf("%v after %v", err, bad.questions())
	}
	bad.change(func(z *zone) { z.rcode = dns.RcodeNameError })
	n := len(good.questions())
	if _, _, err := r.lookup(t.Context(), "a.test."); err == nil || len(good.questions()) != n {
		t.Error("a name that does not exist was asked for again")
	}
}

func TestResolverFile(t *testing.T) {
	z := newZone(t)
	z.set("a.x.test. A", "a.x.test. 1 IN A 10.0.0.1")
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver 127.0.0.1\nsearch x.test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(z.address)
	if err != nil {
		t.Fatal(err)
	}
	d := config.DNS{RefreshRate: time.Second, File: file, Port: port, Timeout: time.Second, Attempts: 1}
	h, _ := started(t, config.StrictDNS, d, config.Host{Address: "a:80"})
	h.want(t, "10.0.0.1:80")
	d.File = file + ".missing"
	c := config.Cluster{Name: "c", Type: config.StrictDNS, DNS: d, Hosts: []config.Host{{Address: "a:80"}}}
	if _, err := newResolver(&c.DNS); err == nil {
		t.Error("a file that is not there was read")
	}
	_, log := started(t, config.StrictDNS, d, config.Host{Address: "a:80"})
	if log.count("names are not resolved anew") != 1 {
		t.Error("nothing is logged")
	}
}

// The system's resolver is asked where nothing else is said.
func TestSystemResolver(t *testing.T) {
	h, _ := started(t, config.StrictDNS, config.DNS{RefreshRate: time.Second, Timeout: time.Second, Attempts: 1}, config.Host{Address: "localhost:80"})
	h.want(t, "127.0.0.1:80")
}

// However many names there are, few questions are open at once, and stopping
// does not wait for them.
func TestStopWhileAsking(t *testing.T) {
	z := newZone(t)
	z.change(func(z *zone) { z.silent = true })
	d := z.dns()
	d.Timeout = time.Hour
	c := config.Cluster{Name: "c", Type: config.StrictDNS, DNS: d}
	for i := range 10 * lookupsAtOnce {
		c.Hosts = append(c.Hosts, config.Host{Address: fmt.Sprintf("n%d.test:80", i)})
	}
	h := &holder{cluster: cluster.New(&c)}
	w := NewWatcher(h.update, discard)
	w.Watch([]config.Cluster{c})
	eventually(t, "names are asked for", func() bool { return len(z.questions()) >= lookupsAtOnce })
	w.Stop()
	if n := len(z.questions()); n != lookupsAtOnce {
		t.Errorf("%d questions were open", n)
	}
	if _, updates := h.get(); updates != 0 {
		t.Errorf("%d updates", updates)
	}
}

// Another configuration of a cluster takes its place; a cluster that stays as it
// is goes on; one that is gone is not asked for any more.
func TestWatchAnew(t *testing.T) {
	z := newZone(t)
	z.set("a.test. A", "a.test. 1 IN A 10.0.0.1")
	z.set("b.test. A", "b.test. 1 IN A 10.0.0.2")
	named := func(host string) []config.Cluster {
		return []config.Cluster{{Name: "c", Type: config.StrictDNS, DNS: z.dns(), Hosts: []config.Host{{Address: host}}}}
	}
	first := named("a.test:80")
	h := &holder{cluster: cluster.New(&first[0])}
	w := NewWatcher(h.update, discard)
	defer w.Stop()
	w.Watch(first)
	h.want(t, "10.0.0.1:80")
	w.Watch(named("a.test:80"))
	if _, updates := h.get(); updates != 1 {
		t.Errorf("%d updates", updates)
	}
	w.Watch(named("b.test:80"))
	h.want(t, "10.0.0.2:80")
	w.Watch(nil)
	z.set("b.test. A", "b.test. 1 IN A 10.0.0.3")
	w.done.Wait()
	n := len(z.questions())
	if h.want(t, "10.0.0.2:80"); len(z.questions()) != n {
		t.Error("it is still asked")
	}
}
