// SPDX-License-Identifier: Apache-2.0

package router

import (
	"net"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
)

func TestWeightsPickByTheirSum(t *testing.T) {
	targets := newTargets(&config.Action{Weighted: []config.WeightedCluster{{Cluster: "none"}, {Cluster: "a", Weight: 2}, {Cluster: "zero"}, {Cluster: "b", Weight: 1}}})
	for n, want := range []string{"a", "a", "b"} {
		if found := string(targets.weighted[targets.pick(uint32(n))].Cluster); found != want {
			t.Errorf("%d picks %s, want %s", n, found, want)
		}
	}
}

func TestLabelsOfAWeightedClusterComeOnTop(t *testing.T) {
	targets := newTargets(&config.Action{
		Labels:   map[string]string{"zone": "z", "version": "1"},
		Weighted: []config.WeightedCluster{{Cluster: "a", Weight: 1, Labels: map[string]string{"version": "2"}}, {Cluster: "b", Weight: 1}},
	})
	for i, want := range []string{"version=2 zone=z ", "version=1 zone=z "} {
		found := ""
		for _, p := range targets.weighted[i].Subset.Pairs {
			found += p.Key + "=" + p.Value + " "
		}
		if found != want {
			t.Errorf("%d: %s, want %s", i, found, want)
		}
	}
}

func TestHashPolicies(t *testing.T) {
	a := &Action{hash: newHash([]config.HashPolicy{{Header: "user"}, {Cookie: "c"}, {SourceIP: true}})}
	hash := func(q *Query) uint64 {
		h, ok, made := a.Hash(q)
		if !ok || made.Any() {
			t.Errorf("%+v: no hash, or a cookie", q.Request)
		}
		return h
	}
	from := func(ip string, port int) Peer { return peer{&net.TCPAddr{IP: net.ParseIP(ip), Port: port}, nil} }
	user := hash(&Query{Request: ask{headers: map[string]string{"user": "u"}}})
	if user != hash(&Query{Request: ask{headers: map[string]string{"user": "u", "cookie": "c=1"}}, Peer: from("1.2.3.4", 1)}) {
		t.Error("the first policy does not decide")
	}
	if user == hash(&Query{Request: ask{headers: map[string]string{"user": "v"}}}) {
		t.Error("another user has the same hash")
	}
	cookie := hash(&Query{Request: ask{headers: map[string]string{"cookie": `b=2; c="x"; d=3`}}})
	if cookie != hash(&Query{Request: ask{headers: map[string]string{"cookie": "c=x"}}}) {
		t.Error("quotes of a cookie count")
	}
	if hash(&Query{Request: ask{}, Peer: from("1.2.3.4", 1)}) != hash(&Query{Request: ask{}, Peer: from("::ffff:1.2.3.4", 2)}) {
		t.Error("the port counts, or how the address is written")
	}
	if _, ok, _ := a.Hash(&Query{Request: ask{}}); ok {
		t.Error("a hash of nothing")
	}
}

func TestCookieIsMade(t *testing.T) {
	a := &Action{hash: newHash([]config.HashPolicy{{Cookie: "c", Make: true, TTL: time.Hour, CookiePath: "/p"}})}
	q := &Query{Request: ask{authority: "a"}, Protocol: codec.HTTP2, Peer: peer{&net.TCPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 5}, &net.TCPAddr{IP: net.IPv4(1, 2, 3, 5), Port: 6}}}
	first, ok, made := a.Hash(q)
	if !ok || !made.Any() {
		t.Fatal("no cookie")
	}
	text := string(made.Append(nil))
	if want := `; Max-Age=3600; Path=/p; HttpOnly`; text[len(text)-len(want):] != want {
		t.Errorf("cookie %s", text)
	}
	// The client comes back with it, and gets to the same host.
	q.Request = ask{headers: map[string]string{"cookie": "c=" + text[len(`c="`):len(`c="`)+16]}}
	if again, ok, made := a.Hash(q); !ok || made.Any() || again != first {
		t.Errorf("hash %x with the cookie, %x before", again, first)
	}
	q.Request, q.Protocol = ask{}, codec.Bolt
	if _, ok, made := a.Hash(q); ok || made.Any() {
		t.Error("a cookie for Bolt")
	}
}

// TestActionsAllocateNothing: all that a route decides per request.
func TestActionsAllocateNothing(t *testing.T) {
	table := compile(t, config.VirtualHost{Domains: []string{"*"}, Routes: []config.Route{{
		Match: config.Match{Kind: config.MatchPrefix, Prefix: "/", Variables: []config.VariableMatch{{Name: "downstream_remote_address", Value: "^1", Compare: config.CompareRegex}, {Name: "downstream_peer_uri_san", Value: "spiffe://mesh/client"}},
			Query: []config.HeaderMatch{{Name: "q", Compare: config.CompareRange, Most: 9}}},
		Action: config.Action{
			ClusterVariable: "Http2_request_arg_q", Hash: []config.HashPolicy{{SourceIP: true}},
			Rewrite: config.Rewrite{Prefix: "/new/"},
			Headers: config.HeaderChanges{Request: config.HeaderEdits{Add: []config.HeaderAdd{{Name: "x", Value: "a-%x-mosn-path%-%protocol%-%downstream_remote_address%"}}, Remove: []string{"y"}}},
		},
	}}})
	q := &Query{Request: &flat{path: []byte("/a?q=1")}, Protocol: codec.HTTP2, Peer: &peer{&net.TCPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 5}, nil}}
	text := make([]byte, 0, 256)
	editor := new(nothing)
	if n := testing.AllocsPerRun(1000, func() {
		r := table.Match(q)
		if r == nil || string(r.Action.Target(q).Cluster) != "1" {
			t.Fatal("no route")
		}
		r.Action.Hash(q)
		text, _ = r.Action.Rewrite.Path(q, text[:0])
		text = r.Action.Request.Apply(editor, q, nil, text)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if string(text) != "/new/a?q=1a-/a-Http2-1.2.3.4:5" {
		t.Errorf("text %q", text)
	}
}

// nothing is an editor that forgets.
type nothing struct{}

func (nothing) Begin(codec.Head)                {}
func (nothing) Set(_, _ []byte)                 {}
func (nothing) Join(_, _ []byte)                {}
func (nothing) Remove([]byte)                   {}
func (nothing) SetPath([]byte)                  {}
func (nothing) SetAuthority([]byte)             {}
func (nothing) End() (codec.Head, codec.Reason) { return nil, codec.ReasonNone }

// peer is a connection by its addresses.
type peer struct{ remote, local net.Addr }

func (p peer) AppendSecurity(b []byte, v config.VariableKind) []byte {
	if v == config.VariablePeerURI {
		b = append(b, "spiffe://mesh/client"...)
	}
	return b
}

func (p peer) RemoteAddr() net.Addr { return p.remote }
func (p peer) LocalAddr() net.Addr  { return p.local }

func TestFilterConfig(t *testing.T) {
	table := compile(t, config.VirtualHost{Domains: []string{"*"}, Filters: map[string]any{"a": 1, "b": 2}, Routes: []config.Route{{Filters: map[string]any{"a": 3}}}})
	r := table.Match(&Query{Request: ask{}})
	if r.FilterConfig("a") != 3 || r.FilterConfig("b") != 2 || r.FilterConfig("c") != nil {
		t.Errorf("%v %v %v", r.FilterConfig("a"), r.FilterConfig("b"), r.FilterConfig("c"))
	}
}

func TestNotes(t *testing.T) {
	var e Edits
	e.add(&config.HeaderEdits{Add: []config.HeaderAdd{{Name: "x", Value: "%x-mosn-path% %response_header_y% %x-mosn-method%%request_header_none%."}}})
	notes := e.TakeNotes(&Query{Request: ask{path: "/p?q", method: "GET"}}, nil)
	reply := new(noted)
	text := e.Apply(reply, &Query{}, notes, nil)
	if !e.Notes() || string(text) != "/p  GET." || reply.name != "x" {
		t.Errorf("%q of %q", text, reply.name)
	}
}

// noted is an editor that keeps the name of what was set.
type noted struct {
	nothing
	name string
}

func (n *noted) Set(name, _ []byte) { n.name = string(name) }
