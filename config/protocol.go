// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strings"
)

// protocolsOf are what a usable name stands for, X aside.
var protocolsOf = map[string][]Protocol{
	"Auto":     {ProtocolBolt, ProtocolHTTP2},
	"bolt":     {ProtocolBolt},
	"boltv2":   {ProtocolBolt},
	"SofaRpc":  {ProtocolBolt},
	"Http2":    {ProtocolHTTP2},
	"OLDHttp2": {ProtocolHTTP2},
}

// protocols reads a key with one protocol or several, joined by commas. sub is
// what "X" stands for, nil where it stands for nothing. The result is in the
// order of the constants, each once; it is empty after an error or an empty
// text.
func (v view) protocols(name string, sub []Protocol) []Protocol {
	k, _ := v.key(name)
	names := v.text(name)
	if names == "" {
		return nil
	}
	var set []Protocol
	for s := range strings.SplitSeq(names, ",") {
		s = strings.TrimSpace(s)
		switch known := k.value(s); {
		case known == nil:
			at, path := v.at(name)
			v.c.report(Error, at, path, s, k.valueNames(), "unknown protocol %q; expected one of %s", s, strings.Join(k.usable(), ", "))
			return nil
		case known.status == refused:
			v.errorf(name, "the protocol %q is not implemented; expected one of %s", s, strings.Join(k.usable(), ", "))
			return nil
		case s == "X" && sub == nil:
			v.errorf(name, "\"X\" stands for no protocol here; name it in the proxy's extend_config.sub_protocol, or write \"bolt\"")
			return nil
		case s == "X":
			set = append(set, sub...)
		default:
			set = append(set, protocolsOf[s]...)
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}

// upstream reads a key with the protocol toward hosts: one, or ProtocolSame
// where it is absent or Auto.
func (v view) upstream(name string, sub []Protocol) Protocol {
	set := v.protocols(name, sub)
	switch {
	case len(set) == 1:
		return set[0]
	case len(set) > 1 && v.text(name) != "Auto":
		v.errorf(name, "hosts are spoken to in one protocol; expected one name, found %q", v.text(name))
	}
	return ProtocolSame
}
