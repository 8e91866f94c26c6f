// SPDX-License-Identifier: Apache-2.0

package config

// originalDst tells that a listener's connections come by iptables' REDIRECT:
// use_original_dst, a boolean in MOSN 0.x and a name later, or the filter.
func (b *builder) originalDst(v view) bool {
	on := false
	for _, f := range v.children("listener_filters") {
		on = on || f.text("type") == "original_dst"
	}
	_, n := v.key("use_original_dst")
	switch name, isText := textOf(n); {
	case n == nil || n.neutral():
	case n.kind == boolNode && n.text == "true", isText && name == "redirect":
		on = true
	case isText && name == "tproxy":
		v.errorf("use_original_dst", "TPROXY is not implemented; use iptables' REDIRECT and \"redirect\"")
	default:
		v.errorf("use_original_dst", "expected \"redirect\", found %s", n.describe())
	}
	if on && v.text("network") == "unix" {
		v.errorf("use_original_dst", "connections to a Unix socket are not redirected")
	}
	return on
}

// handover refuses files that count on MOSN's handing redirected connections to
// the listener of their destination: the first one would serve them all.
func (b *builder) handover(root view, c *Config) {
	redirected := false
	for i := range c.Server.Listeners {
		redirected = redirected || c.Server.Listeners[i].OriginalDst
	}
	if !redirected {
		return
	}
	for _, s := range root.children("servers") {
		for _, l := range s.children("listeners") {
			if !l.flag("bind_port") {
				l.errorf("bind_port", "redirected connections are not handed to other listeners: route them by a cluster of type ORIGINAL_DST, or bind this one")
			}
		}
	}
}
