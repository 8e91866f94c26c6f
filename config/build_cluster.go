// SPDX-License-Identifier: Apache-2.0

package config

// clusters reads the clusters of the file, or those of the directory that it
// names.
func (b *builder) clusters(v view) []Cluster {
	b.common = b.tls(v, "tls_context", clientSide)
	var list []Cluster
	names := make(map[string]string)
	add := func(v view) {
		c := b.cluster(v)
		if c.Name != "" {
			if first, ok := names[c.Name]; ok {
				v.errorf("name", "the name %q is that of %s already", c.Name, first)
			}
			names[c.Name] = c.Path
		}
		list = append(list, c)
	}
	for _, c := range v.children("clusters") {
		add(c)
	}
	if v.text("clusters_configs") != "" {
		if len(list) > 0 {
			v.errorf("clusters_configs", "the cluster manager has either clusters or clusters_configs, not both")
			return list
		}
		b.readDirectory(v, "clusters_configs", clusterObject, add)
	}
	return list
}

func (b *builder) cluster(v view) Cluster {
	c := Cluster{
		Name:              v.text("name"),
		MaxRequestPerConn: v.uint32("max_request_per_conn"),
		ConnBufferLimit:   v.uint32("conn_buffer_limit_bytes"),
		Path:              b.place(v),
	}
	c.Breakers = breakers(v)
	c.ConnectTimeout, _ = v.duration("connect_timeout")
	c.IdleTimeout, _ = v.duration("idle_timeout")
	if k := v.child("keepalive"); v.has("keepalive") {
		c.Keepalive.Set, c.Keepalive.FastFail = true, k.flag("fast_fail")
		c.Keepalive.Interval, _ = k.duration("interval")
		c.Keepalive.Timeout, _ = k.duration("timeout")
	}
	c.HTTP2 = v.child("extend_config").child("Http2").http2Limits()
	if c.TLS = b.tls(v, "tls_context", clientSide); c.TLS == nil && v.flag("cluster_manager_tls") {
		if c.TLS = b.common; c.TLS == nil {
			v.warnf("cluster_manager_tls", "the cluster manager has no tls_context that is on; connections are in plain text")
		}
	}
	for _, h := range v.children("hosts") {
		c.Hosts = append(c.Hosts, b.host(h))
		b.hostName(h, c.TLS, &c.Hosts[len(c.Hosts)-1])
	}
	b.balancing(v, &c)
	if h := v.child("health_check"); h.n != nil && !h.n.neutral() {
		c.HealthCheck = b.healthCheck(h)
	}
	if v.has("outlier_detection") {
		c.Outlier = b.outlier(v.child("outlier_detection"), len(c.Hosts))
	}
	if len(c.Hosts) == 0 && c.Type != OriginalDST {
		v.warnf("hosts", "a cluster without hosts answers no request")
	}
	return c
}

// MOSN clamps the weights of hosts to this range.
const (
	weightMin = 1
	weightMax = 128
)

func (b *builder) host(v view) Host {
	h := Host{Address: v.text("address"), Hostname: v.text("hostname"), Weight: v.uint32("weight"), Metadata: v.labels(), Plain: v.flag("tls_disable"), Path: b.place(v)}
	if clamped := min(max(h.Weight, weightMin), weightMax); clamped != h.Weight {
		v.warnf("weight", "a weight is within %d and %d; %d is taken as %d", weightMin, weightMax, h.Weight, clamped)
		h.Weight = clamped
	}
	if h.Address != "" {
		if problem := hostAddressProblem(h.Address); problem != "" {
			v.errorf("address", "%s", problem)
		}
	}
	return h
}
