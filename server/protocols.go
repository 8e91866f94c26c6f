// SPDX-License-Identifier: Apache-2.0

package server

import (
	"math"

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
		return bolt.NewClient(sink, o, m, &boltLimits, firstID())
	}
	s[codec.HTTP2] = func(c *cluster.Cluster, sink codec.Sink, o codec.Owner, m *codec.Memory) codec.ClientSession {
		return http2.NewClient(sink, o, m, (*http2.Limits)(&c.HTTP2))
	}
	return s
}

// idsBeforeWrap is how many request ids a Bolt connection has at most before
// they wrap at 2^32: few, so that wrapping is an everyday matter and not what
// happens first after weeks.
const idsBeforeWrap = 4096

// firstID is random to tell replies of different connections apart in captures.
func firstID() uint32 { return math.MaxUint32 - fastrand.Uint32n(idsBeforeWrap) }

// downstreamServers is the table protocol → server session for one listener.
func downstreamServers(p *config.Proxy) []pipeline.Server {
	var servers []pipeline.Server
	for _, protocol := range p.Downstream {
		switch protocol {
		case config.ProtocolBolt:
			servers = append(servers, boltServer(p.Bolt))
		case config.ProtocolHTTP2:
			servers = append(servers, http2Server(p.HTTP2))
		}
	}
	return servers
}

func boltServer(o config.BoltOptions) pipeline.Server {
	limits := bolt.DefaultLimits()
	limits.SendGoAway = o.GoAway
	if o.MaxFrame > 0 {
		limits.MaxFrame = int64(o.MaxFrame)
	}
	if o.WholeFrame > 0 {
		limits.WholeFrame = int(o.WholeFrame)
	}
	if o.MaxInFlight > 0 {
		limits.MaxInFlight = int(o.MaxInFlight)
	}
	return pipeline.Server{
		Protocol: codec.Bolt,
		ALPN:     "sofa",
		Detect:   detectBolt,
		New: func(s codec.Sink, o codec.Owner, a codec.Acceptor, m *codec.Memory) codec.ServerSession {
			return bolt.NewServer(s, o, a, m, &limits)
		},
	}
}

func http2Server(o config.HTTP2Options) pipeline.Server {
	limits := http2.Limits(o.Limits)
	return pipeline.Server{
		Protocol:   codec.HTTP2,
		ALPN:       "h2",
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
