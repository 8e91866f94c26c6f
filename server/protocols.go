// SPDX-License-Identifier: Apache-2.0

package server

import (
	"github.com/bytedance/gopkg/lang/fastrand"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline"
)

// upstreamSessions is the table protocol → client session.
func upstreamSessions() cluster.Sessions {
	boltLimits := bolt.DefaultLimits()
	var s cluster.Sessions
	s[codec.Bolt] = func(_ *cluster.Cluster, sink codec.Sink, o codec.Owner, m *codec.Memory) codec.ClientSession {
		// A random first id tells replies of different connections apart in
		// captures and makes ids that wrap an everyday matter.
		return bolt.NewClient(sink, o, m, &boltLimits, fastrand.Uint32())
	}
	s[codec.HTTP2] = func(c *cluster.Cluster, sink codec.Sink, o codec.Owner, m *codec.Memory) codec.ClientSession {
		return http2.NewClient(sink, o, m, (*http2.Limits)(&c.HTTP2))
	}
	return s
}

// downstreamServers is the table protocol → server session for one listener.
func downstreamServers(p *config.Proxy) []pipeline.Server {
	var servers []pipeline.Server
	for _, protocol := range p.Downstream {
		switch protocol {
		case config.ProtocolBolt:
			servers = append(servers, boltServer(p.Bolt))
		case config.ProtocolHTTP2:
			servers = append(servers, http2Server(p.HTTP2.Limits))
		}
	}
	return servers
}

func boltServer(o config.BoltOptions) pipeline.Server {
	limits := bolt.DefaultLimits()
	limits.SendGoAway = o.GoAway
	return pipeline.Server{
		Protocol: codec.Bolt,
		Detect:   detectBolt,
		New: func(s codec.Sink, o codec.Owner, a codec.Acceptor, m *codec.Memory) codec.ServerSession {
			return bolt.NewServer(s, o, a, m, &limits)
		},
	}
}

func http2Server(l config.HTTP2Limits) pipeline.Server {
	limits := http2.Limits(l)
	return pipeline.Server{
		Protocol:   codec.HTTP2,
		Detect:     detectHTTP2,
		StreamIdle: limits.StallTime,
		New: func(s codec.Sink, o codec.Owner, a codec.Acceptor, m *codec.Memory) codec.ServerSession {
			return http2.NewServer(s, o, a, m, &limits)
		},
	}
}

func detectBolt(prefix []byte) pipeline.Verdict {
	if prefix[0] == bolt.V1 || prefix[0] == bolt.V2 {
		return pipeline.Yes
	}
	return pipeline.No
}

func detectHTTP2(prefix []byte) pipeline.Verdict {
	n := min(len(prefix), len(http2.Preface))
	switch {
	case string(prefix[:n]) != http2.Preface[:n]:
		return pipeline.No
	case n < len(http2.Preface):
		return pipeline.More
	}
	return pipeline.Yes
}
