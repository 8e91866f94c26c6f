// SPDX-License-Identifier: Apache-2.0

package config

import "slices"

// listeners reads the listeners of a server and the routers in their filters.
func (b *builder) listeners(server view) []Listener {
	var list []Listener
	names := make(map[string]string)
	addresses := make(map[string]string)
	for _, v := range server.children("listeners") {
		l := b.listener(v)
		socket := socketKey(l.Network, l.Address)
		if first, ok := addresses[socket]; ok && l.BindPort && socket != "" {
			v.errorf("address", "the address %q is that of %s already", l.Address, first)
		} else if first, ok := names[l.Name]; ok && l.Name != "" {
			v.errorf("name", "the name %q is that of %s already", l.Name, first)
		}
		if l.BindPort {
			addresses[socket] = v.path
		}
		names[l.Name] = v.path
		list = append(list, l)
	}
	return list
}

func (b *builder) listener(v view) Listener {
	l := Listener{
		Name:     v.text("name"),
		Network:  v.text("network"),
		Address:  v.text("address"),
		BindPort: v.flag("bind_port"),
		LogPath:  v.logPath("log_path"),
		LogLevel: v.level("log_level"),
		Path:     b.place(v),
	}
	l.IdleTimeout, _ = v.duration("connection_idle_timeout")
	l.OriginalDst = b.originalDst(v)
	if l.Name == "" {
		l.Name = l.Address
	}
	if !v.has("network") && isSocketPath(l.Address) {
		l.Network = "unix"
	}
	if l.Address != "" {
		if problem := listenAddressProblem(l.Network, l.Address); problem != "" {
			v.errorf("address", "%s", problem)
		}
	}
	if _, n := v.key("bind_port"); !l.BindPort && (n == nil || n.kind == boolNode) {
		v.warnf("bind_port", "no socket is opened without \"bind_port\": true, and no other listener hands connections over")
	}
	chains := v.children("filter_chains")
	if _, n := v.key("filter_chains"); n != nil && n.kind == listNode && len(n.items) != 1 {
		v.errorf("filter_chains", "expected exactly one filter chain, found %d", len(n.items))
	}
	for _, chain := range chains {
		l.Proxy = b.chain(chain, &l)
		l.TLS = b.serverTLS(chain)
		l.checkClientCert(chain)
	}
	l.Inspector = v.flag("inspector")
	for i := range l.TLS {
		l.Inspector = l.Inspector || l.TLS[i].Fallback
	}
	if len(l.TLS) == 0 {
		l.Inspector = false // nothing to tell apart
	}
	l.StreamFilters = b.streamFilters(v)
	l.AccessLogs = v.accessLogs()
	return l
}

// chain reads the filters of a listener: one proxy, the routers of any
// connection managers beside it, and faults.
func (b *builder) chain(v view, l *Listener) Proxy {
	if _, set := v.key("tls_context_set"); v.has("tls_context") && set != nil && len(set.items) > 0 {
		v.errorf("tls_context_set", "a filter chain has either tls_context or tls_context_set, not both")
	}
	var proxy Proxy
	proxies, others := 0, 0
	for _, f := range v.children("filters") {
		switch f.text("type") {
		case "proxy":
			if proxies++; proxies > 1 {
				f.errorf("type", "a filter chain has one proxy filter; this is another")
				continue
			}
			proxy = b.proxy(f, l.Name)
		case "connection_manager":
			b.connectionManager(f.settings(connectionManagerObject))
		case "fault_inject":
			fault := f.settings(faultInjectObject)
			l.ConnectionFault.Percent = fault.uint32("delay_percent")
			l.ConnectionFault.Delay, _ = fault.duration("delay_duration")
		default:
			others++ // reported with its type
		}
	}
	if _, n := v.key("filters"); proxies+others == 0 && n != nil && n.kind == listNode {
		v.errorf("filters", "expected a filter of type \"proxy\", found none")
	}
	return proxy
}

func (b *builder) proxy(filter view, listener string) Proxy {
	v := filter.settings(proxyObject)
	if v.n == nil {
		filter.errorf("config", "a proxy needs a config with at least downstream_protocol")
		return Proxy{}
	}
	extend := v.child("extend_config")
	sub := extend.protocols("sub_protocol", nil)
	if sub == nil && extend.text("sub_protocol") != "" {
		sub = []Protocol{} // reported already
	}
	p := Proxy{
		Downstream:         v.protocols("downstream_protocol", sub),
		Upstream:           v.upstream("upstream_protocol", sub),
		RouterName:         v.text("router_config_name"),
		FallbackForUnknown: v.flag("fallback_for_unknown_protocol"),
		HTTP2:              extend.http2(),
		Bolt:               boltOptions(extend),
		ClientCert:         v.clientCert(),
		Path:               b.place(v),
	}
	if p.HTTP2.Limits.Connect && !slices.Contains(p.Downstream, ProtocolHTTP2) {
		extend.child("Http2").warnf("allow_connect", "no client of this listener speaks HTTP/2")
	}
	if h := extend.child("Http2"); len(p.Downstream) > 0 && !slices.Contains(p.Downstream, ProtocolHTTP2) && h.hasLimits() {
		extend.warnf("Http2", "clients of this listener do not speak HTTP/2; limits toward hosts stand in the extend_config of a cluster")
	}
	switch {
	case v.has("virtual_hosts"):
		if p.RouterName == "" {
			// MOSN 0.1 had no names for routers; no other can be called so by
			// chance.
			p.RouterName = listener + ".virtual_hosts"
		}
		b.routers.add(b, v, Router{Name: p.RouterName, VirtualHosts: b.virtualHosts(v), Path: b.place(v)})
	case p.RouterName == "":
		v.warnf("router_config_name", "the proxy names no router; no request will have a route")
	default:
		b.routers.users = append(b.routers.users, b.refer(v, "router_config_name"))
	}
	return p
}

// boltOptions reads the settings of Bolt, which both versions share: "boltv2"
// counts where there is no "bolt".
func boltOptions(extend view) BoltOptions {
	v := extend.child("bolt")
	if !extend.has("bolt") {
		v = extend.child("boltv2")
	}
	return BoltOptions{
		GoAway:      extend.flag("enable_bolt_goaway") || v.flag("enable_bolt_goaway") || extend.child("boltv2").flag("enable_bolt_goaway"),
		MaxFrame:    v.uint32("max_frame_size"),
		WholeFrame:  v.uint32("whole_frame_size"),
		MaxInFlight: v.uint32("max_requests_in_flight"),
	}
}

// http2 reads the settings of HTTP/2 in a proxy's extend_config.
func (v view) http2() HTTP2Options {
	h := v.child("Http2")
	limits := h.http2Limits()
	limits.Connect = h.flag("allow_connect")
	return HTTP2Options{UseStream: v.flag("http2_use_stream") || h.flag("http2_use_stream"), Limits: limits}
}

// connectionManager registers the router that the filter declares.
func (b *builder) connectionManager(v view) {
	if name := v.text("router_config_name"); name != "" {
		b.router(v, name)
	} else {
		v.warnf("router_config_name", "without a name nothing can refer to the router")
	}
}
