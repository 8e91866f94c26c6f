// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/codec/http2/hpack"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline"
	"github.com/sideloop/sideloop/pipeline/router"
)

// Question is a request that is asked about.
type Question struct {
	// Listener may be empty where one alone takes the protocol.
	Listener string
	Protocol config.Protocol
	// Headers are "name=value", in their order.
	Headers                 []string
	Path, Authority, Method string
	// Class is that of a Bolt request.
	Class string
	// Source is the client's IP address.
	Source string
}

// Explanation is the answer, as JSON has it.
type Explanation struct {
	Listener    string `json:"listener"`
	Router      string `json:"router"`
	VirtualHost string `json:"virtual_host,omitempty"`
	// Route is the place of the route in the configuration, empty where none
	// matches.
	Route    string         `json:"route,omitempty"`
	Upstream string         `json:"upstream_protocol,omitempty"`
	Clusters []ClusterShare `json:"clusters,omitempty"`
	Effects  []string       `json:"effects,omitempty"`
	// Reason is the word of how the request would end without a host.
	Reason string        `json:"reason,omitempty"`
	Others []router.Miss `json:"other_routes,omitempty"`
}

// client is where the request is said to come from.
type client struct{ address net.Addr }

// RemoteAddr implements router.Peer.
func (c client) RemoteAddr() net.Addr { return c.address }

// AppendSecurity implements router.Peer: a question is asked in plain text.
func (c client) AppendSecurity(b []byte, _ config.VariableKind) []byte { return b }

// LocalAddr implements router.Peer; it depends on where the client connects to.
func (c client) LocalAddr() net.Addr { return nil }

// ClusterShare is a cluster with its hosts.
type ClusterShare struct {
	router.Share
	Hosts []string `json:"hosts"`
}

// Explain says what a proxy with this configuration would do with a request.
func Explain(c *config.Config, question Question) (*Explanation, error) {
	l, err := question.listener(c)
	if err != nil {
		return nil, err
	}
	head, err := question.head()
	if err != nil {
		return nil, err
	}
	var from router.Peer
	if question.Source != "" {
		ip := net.ParseIP(question.Source)
		if ip == nil {
			return nil, fmt.Errorf("the source %q is no IP address", question.Source)
		}
		from = client{&net.TCPAddr{IP: ip}}
	}
	s, err := newSnapshot(c, nil, nil, "")
	if err != nil {
		return nil, err
	}
	chain := &pipeline.Chain{
		Upstream: router.UpstreamProtocol(l.Proxy.Upstream), Router: l.Proxy.RouterName, Connect: l.Proxy.HTTP2.Limits.Connect,
	}
	found := pipeline.Explain(s, chain, head, from)
	x := &Explanation{
		Listener: l.Name, Router: l.Proxy.RouterName, VirtualHost: found.Place, Reason: found.Reason.String(),
		Effects: found.Effects, Others: found.Others,
	}
	if found.Route == nil {
		return x, nil
	}
	x.Route = found.Route.Place
	if found.Shares != nil {
		x.Upstream = found.Upstream.String()
	}
	for _, share := range found.Shares {
		entry := ClusterShare{Share: share}
		if members := s.Clusters[share.Cluster]; members != nil {
			for _, h := range members.Hosts {
				entry.Hosts = append(entry.Hosts, h.Address)
			}
		}
		x.Clusters = append(x.Clusters, entry)
	}
	return x, nil
}

// listener is the one that is named, or the only one that takes the protocol.
func (question *Question) listener(c *config.Config) (*config.Listener, error) {
	var fit []*config.Listener
	var names []string
	for i := range c.Server.Listeners {
		l := &c.Server.Listeners[i]
		takes := slices.Contains(l.Proxy.Downstream, question.Protocol)
		switch {
		case l.Name == question.Listener && !takes:
			return nil, fmt.Errorf("the listener %q does not take %v", l.Name, question.Protocol)
		case l.Name == question.Listener:
			return l, nil
		case takes:
			fit = append(fit, l)
			names = append(names, l.Name)
		}
	}
	switch {
	case question.Listener != "":
		return nil, fmt.Errorf("no listener is named %q", question.Listener)
	case len(fit) == 0:
		return nil, fmt.Errorf("no listener takes %v", question.Protocol)
	case len(fit) > 1:
		return nil, fmt.Errorf("several listeners take %v; name one of %s", question.Protocol, strings.Join(names, ", "))
	}
	return fit[0], nil
}

// head is the request as its protocol has it.
func (question *Question) head() (codec.Head, error) {
	var fields []hpack.Field
	var pairs []byte
	for _, h := range question.Headers {
		name, value, ok := strings.Cut(h, "=")
		if !ok {
			return nil, fmt.Errorf("expected a header as NAME=VALUE, found %q", h)
		}
		fields = append(fields, hpack.Field{Name: []byte(strings.ToLower(name)), Value: []byte(value)})
		pairs = bolt.AppendPair(pairs, []byte(name), []byte(value))
	}
	if question.Protocol == config.ProtocolBolt {
		return &bolt.Head{
			Version: bolt.V1, Type: bolt.TypeRequest, Command: bolt.CommandRequest, Ver2: 1, Codec: bolt.CodecHessian,
			Class: []byte(question.Class), Map: bolt.HeaderMap(pairs),
		}, nil
	}
	return &http2.Head{
		MethodName: []byte(question.Method), Scheme: []byte("http"), AuthorityName: []byte(question.Authority),
		PathName: []byte(question.Path), Fields: fields,
	}, nil
}
