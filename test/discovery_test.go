// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
)

// nameServer answers every question for an IPv4 address with the same ones.
type nameServer struct {
	address string
	mu      sync.Mutex
	answer  []string
}

func startNameServer(t *testing.T, answer ...string) *nameServer {
	t.Helper()
	n := &nameServer{answer: answer}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.address = pc.LocalAddr().String()
	started, stopped := make(chan struct{}), make(chan struct{})
	s := &dns.Server{PacketConn: pc, Handler: n, NotifyStartedFunc: func() { close(started) }}
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
	return n
}

// ServeDNS implements dns.Handler.
func (n *nameServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	n.mu.Lock()
	defer n.mu.Unlock()
	a := new(dns.Msg)
	a.SetReply(q)
	for _, ip := range n.answer {
		a.Answer = append(a.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.ParseIP(ip)})
	}
	_ = w.WriteMsg(a) // the proxy may have gone
}

func (n *nameServer) set(answer ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answer = answer
}

// labelled is a service on some loopback addresses at one port, each of which says
// which it is, and how many connections it has.
type labelled struct {
	port string
	hold chan struct{} // requests with x-hold wait for it
	held chan string   // the addresses at which they do
}

func startLabelled(t *testing.T, ips ...string) *labelled {
	t.Helper()
	n := &labelled{hold: make(chan struct{}), held: make(chan string, 1)}
	for _, ip := range ips {
		s := startH2Service(t, net.JoinHostPort(ip, n.portOrZero()), func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Hold") != "" {
				n.held <- ip
				<-n.hold
			}
			w.Header().Set("X-Ip", ip)
		})
		_, n.port, _ = net.SplitHostPort(s.address())
	}
	return n
}

func (n *labelled) portOrZero() string {
	if n.port == "" {
		return "0"
	}
	return n.port
}

func dnsProxy(t *testing.T, kind, server, port string) *proxy {
	t.Helper()
	text := configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", match: anyRequest, hosts: []string{"service.test:" + port},
		clusterKV: fmt.Sprintf(`, "dns_refresh_rate": "100ms", "dns_resolvers": {"servers": [%q]}`, server)})
	return startProxy(t, strings.Replace(text, `"SIMPLE"`, `"`+kind+`"`, 1))
}

// Every address is a host; one that goes gets no new requests, and those in
// flight finish.
func TestStrictDNSFollowsTheName(t *testing.T) {
	n := startLabelled(t, "127.0.0.11", "127.0.0.12", "127.0.0.13")
	names := startNameServer(t, "127.0.0.11", "127.0.0.12")
	p := dnsProxy(t, "STRICT_DNS", names.address, n.port)
	c := newH2Client(t)
	reached := func(want ...string) func() bool {
		return func() bool {
			seen := make(map[string]bool)
			for range 12 {
				r, err := tryH2(c, p.address("in"), nil, true, nil)
				if err != nil || r.status != 200 {
					continue // the name is not resolved yet
				}
				seen[r.header.Get("X-Ip")] = true
			}
			for _, ip := range want {
				if !seen[ip] {
					return false
				}
			}
			return len(seen) == len(want)
		}
	}
	eventually(t, "both addresses are used", reached("127.0.0.11", "127.0.0.12"))
	names.set("127.0.0.12")
	eventually(t, "only the second address is used", reached("127.0.0.12"))
	held := make(chan h2Reply, 1)
	go func() { held <- postH2(t, c, p.address("in"), nil, true, http.Header{"X-Hold": {"1"}}) }()
	if at := <-n.held; at != "127.0.0.12" {
		t.Errorf("the request is held at %s", at)
	}
	names.set("127.0.0.13")
	eventually(t, "only the third address is used", reached("127.0.0.13"))
	close(n.hold)
	if r := <-held; r.status != 200 {
		t.Errorf("the request in flight got status %d", r.status)
	}
	p.wantNothingHeld()
}

// The connection of LOGICAL_DNS outlives a change of the address.
func TestLogicalDNSKeepsItsConnections(t *testing.T) {
	n := startLabelled(t, "127.0.0.14", "127.0.0.15")
	names := startNameServer(t, "127.0.0.14")
	p := dnsProxy(t, "LOGICAL_DNS", names.address, n.port)
	c := newH2Client(t)
	call := func() string {
		r, err := tryH2(c, p.address("in"), nil, true, nil)
		if err != nil {
			return err.Error()
		}
		return r.header.Get("X-Ip")
	}
	eventually(t, "the first address is used", func() bool { return call() == "127.0.0.14" })
	names.set("127.0.0.15")
	eventually(t, "the new address is known", func() bool {
		dial := ""
		if err := p.Update("in", func(c *cluster.Cluster) *cluster.Cluster {
			dial = c.Hosts[0].Dial
			return c
		}); err != nil {
			t.Error(err)
		}
		return dial == "127.0.0.15:"+n.port
	})
	for range 20 {
		if ip := call(); ip != "127.0.0.14" {
			t.Fatalf("a connection that was open did not serve: %s", ip)
		}
	}
	c = newH2Client(t) // goes to the loop that has no connection yet
	if ip := call(); ip != "127.0.0.15" {
		t.Errorf("a new connection went to %s", ip)
	}
}

// A header says where each request goes.
func TestOriginalDestinationByHeader(t *testing.T) {
	n := startLabelled(t, "127.0.0.16", "127.0.0.17")
	for _, replace := range []bool{false, true} {
		text := configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", match: anyRequest,
			clusterKV: fmt.Sprintf(`, "original_dst_lb_config": {"use_header": true, "header_name": "X-To", "replace_local": %v}`, replace)})
		text = strings.Replace(text, `"SIMPLE", "lb_type": "LB_ROUNDROBIN"`, `"ORIGINAL_DST"`, 1)
		p := startProxy(t, text)
		c := newH2Client(t)
		for _, tt := range []struct{ to, ip, reason string }{
			{"127.0.0.16:" + n.port, "127.0.0.16", ""}, {"127.0.0.17:" + n.port, "127.0.0.17", ""}, {"127.0.0.16:" + n.port, "127.0.0.16", ""},
			{"", "", "no_healthy_upstream"}, {"name:80", "", "no_healthy_upstream"}, {"127.0.0.16", "", "no_healthy_upstream"}, {"127.0.0.16:0", "", "no_healthy_upstream"},
		} {
			r := postH2(t, c, p.address("in"), []byte("body"), true, http.Header{"X-To": {tt.to}})
			ip, reason := r.header.Get("X-Ip"), r.header.Get(codec.ReasonHeader)
			if replace && tt.reason == "" {
				// Nobody listens at 127.0.0.1 on this port.
				tt.ip, tt.reason = "", "connect_failed"
			}
			if ip != tt.ip || reason != tt.reason {
				t.Errorf("to %q: host %q, reason %q", tt.to, ip, reason)
			}
		}
		p.wantNothingHeld()
	}
}
