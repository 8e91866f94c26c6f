// SPDX-License-Identifier: Apache-2.0

package router

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// anyPort stands for a domain's ":*".
const anyPort = "*"

// maxHost is the longest host name compared; longer ones match "*" only. It is
// the limit of DNS names.
const maxHost = 255

// domains finds the virtual host of an authority. The order is MOSN's: exact
// host with its port, exact host with any port, the longest suffix with its
// port, the longest suffix with any port, the default. Names compare without
// case.
type domains struct {
	exact    map[string][]portHost
	suffixes []suffix // longest first
	fallback *virtualHost
}

// portHost is a virtual host for one port, "" meaning that the authority has
// none, anyPort meaning all.
type portHost struct {
	port string
	host *virtualHost
}

type suffix struct {
	text  string
	ports []portHost
}

// add enters one domain of the config: host, host:port, host:*, *suffix with
// the same, or "*".
func (d *domains) add(domain string, vh *virtualHost) error {
	host, port := splitPort(strings.ToLower(domain))
	switch {
	case host == "*" && (port == "" || port == anyPort):
		if d.fallback != nil {
			return fmt.Errorf("domain %q: the router has a default virtual host already (%q)", domain, d.fallback.name)
		}
		d.fallback = vh
		return nil
	case strings.HasPrefix(host, "*"):
		return d.addSuffix(host[1:], port, domain, vh)
	}
	if d.exact == nil {
		d.exact = make(map[string][]portHost)
	}
	ports, err := addPort(d.exact[host], port, domain, vh)
	d.exact[host] = ports
	return err
}

func (d *domains) addSuffix(text, port, domain string, vh *virtualHost) error {
	i := slices.IndexFunc(d.suffixes, func(s suffix) bool { return s.text == text })
	if i < 0 {
		i = len(d.suffixes)
		d.suffixes = append(d.suffixes, suffix{text: text})
	}
	ports, err := addPort(d.suffixes[i].ports, port, domain, vh)
	d.suffixes[i].ports = ports
	return err
}

func addPort(ports []portHost, port, domain string, vh *virtualHost) ([]portHost, error) {
	for _, p := range ports {
		if p.port == port {
			return ports, fmt.Errorf("domain %q is in virtual host %q already", domain, p.host.name)
		}
	}
	return append(ports, portHost{port, vh}), nil
}

func (d *domains) sort() {
	slices.SortStableFunc(d.suffixes, func(a, b suffix) int { return cmp.Compare(len(b.text), len(a.text)) })
}

// find returns the virtual host for an authority, which is empty where the
// protocol has none (Bolt).
func (d *domains) find(authority []byte) *virtualHost {
	if d.exact == nil && d.suffixes == nil || len(authority) == 0 {
		return d.fallback
	}
	var room [maxHost]byte
	if len(authority) > len(room) {
		return d.fallback
	}
	lower := room[:0]
	for _, c := range authority {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		lower = append(lower, c)
	}
	host, port := splitPortBytes(lower)
	if vh := pickPort(d.exact[string(host)], port); vh != nil {
		return vh
	}
	for _, wild := range [2]bool{false, true} {
		for i := range d.suffixes {
			s := &d.suffixes[i]
			if len(host) <= len(s.text) || string(host[len(host)-len(s.text):]) != s.text {
				continue
			}
			if vh := portOf(s.ports, port, wild); vh != nil {
				return vh
			}
		}
	}
	return d.fallback
}

func pickPort(ports []portHost, port []byte) *virtualHost {
	if vh := portOf(ports, port, false); vh != nil {
		return vh
	}
	return portOf(ports, port, true)
}

// portOf returns the virtual host for exactly this port, or with wild the one
// for any port.
func portOf(ports []portHost, port []byte, wild bool) *virtualHost {
	for i := range ports {
		if wild && ports[i].port == anyPort || !wild && ports[i].port == string(port) {
			return ports[i].host
		}
	}
	return nil
}

// splitPort splits host:port; the port is "" when there is none. An IPv6
// literal keeps its brackets.
func splitPort(s string) (host, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.IndexByte(s[i:], ']') >= 0 {
		return s, ""
	}
	return s[:i], s[i+1:]
}

func splitPortBytes(b []byte) (host, port []byte) {
	i := bytes.LastIndexByte(b, ':')
	if i < 0 || bytes.IndexByte(b[i:], ']') >= 0 {
		return b, nil
	}
	return b[:i], b[i+1:]
}
