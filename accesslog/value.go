// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"bytes"
	"crypto/tls"
	"strconv"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline"
)

// append appends the value of a variable, nothing where the request has none, and
// at most room bytes of what peers have sent.
func (s *segment) append(dst []byte, r *pipeline.Ended, m *memory, how escaping, room int) []byte {
	switch k := s.kind; {
	case k <= config.LogReplyMS:
		return s.appendTime(dst, r, m)
	case k <= config.LogLoop:
		return s.appendFact(dst, r, m, how, room)
	case k <= config.LogTLSPeerHash:
		return appendEscaped(dst, s.tls(r), how, room)
	}
	return appendEscaped(dst, s.sent(r), how, room)
}

// appendTime appends when something happened, or how long it took.
func (s *segment) appendTime(dst []byte, r *pipeline.Ended, m *memory) []byte {
	switch s.kind {
	case config.LogStartTime:
		return m.clock.appendLocal(dst, r.Began+r.Wall)
	case config.LogTime:
		return m.clock.appendUTC(dst, r.Began+r.Wall)
	case config.LogTimeUnix:
		return strconv.AppendInt(dst, (r.Began+r.Wall)/1e6, 10)
	case config.LogRequestReceived:
		return appendSpan(dst, r.Began, r.Received, appendDuration)
	case config.LogReplyReceived:
		return appendSpan(dst, r.Began, r.Replied, appendDuration)
	case config.LogFinished:
		return appendSpan(dst, r.Began, r.Finished, appendDuration)
	case config.LogProcessTime:
		own := r.Finished - r.Began
		if r.Resent > 0 && r.Replied > r.Resent {
			own -= r.Replied - r.Resent
		}
		return appendDuration(dst, own)
	case config.LogDurationMS:
		return appendSpan(dst, r.Began, r.Finished, appendMS)
	case config.LogRequestMS:
		return appendSpan(dst, r.Began, r.Received, appendMS)
	case config.LogWaitMS:
		return appendSpan(dst, r.Began, r.Sent, appendMS)
	case config.LogUpstreamMS:
		if r.Resent == 0 {
			return dst
		}
		return appendSpan(dst, r.Resent, r.Replied, appendMS)
	case config.LogReplyMS:
		if r.Replied == 0 {
			return dst
		}
		return appendSpan(dst, r.Replied, r.Finished, appendMS)
	}
	return dst
}

// appendSpan appends the time between two moments unless the second never came.
func appendSpan(dst []byte, from, to int64, how func([]byte, int64) []byte) []byte {
	if to == 0 {
		return dst
	}
	return how(dst, max(to-from, 0))
}

// appendFact appends what the proxy itself knows.
func (s *segment) appendFact(dst []byte, r *pipeline.Ended, m *memory, how escaping, room int) []byte {
	switch s.kind {
	case config.LogBytesReceived:
		return strconv.AppendInt(dst, r.BytesReceived, 10)
	case config.LogBytesSent:
		return strconv.AppendInt(dst, r.BytesSent, 10)
	case config.LogUpstreamBytesSent:
		return strconv.AppendInt(dst, r.UpstreamBytesSent, 10)
	case config.LogUpstreamBytesReceived:
		return strconv.AppendInt(dst, r.UpstreamBytesReceived, 10)
	case config.LogProtocol:
		return append(dst, protocolName(r.From)...)
	case config.LogUpstreamProtocol:
		return append(dst, protocolName(r.To)...)
	case config.LogStatus:
		return strconv.AppendInt(dst, int64(r.Status), 10)
	case config.LogUpstreamStatus:
		return appendPositive(dst, uint64(r.UpstreamStatus))
	case config.LogGRPCStatus:
		return appendStatus(dst, r.GRPCStatus)
	case config.LogBoltStatus:
		return appendStatus(dst, r.BoltStatus)
	case config.LogReason:
		return append(dst, r.Reason.String()...)
	case config.LogReasonText:
		return append(dst, r.Reason.Text()...)
	case config.LogFlags:
		return append(dst, flags[r.Reason]...)
	case config.LogTries:
		return strconv.AppendInt(dst, int64(r.Tries), 10)
	case config.LogOneWay:
		return strconv.AppendBool(dst, r.OneWay)
	case config.LogListener:
		return appendEscaped(dst, r.Listener, how, room)
	case config.LogRoute:
		if r.Route != nil {
			return appendEscaped(dst, r.Route.Place, how, room)
		}
	case config.LogCluster:
		return appendEscaped(dst, r.Cluster, how, room)
	case config.LogHost:
		if r.Host != nil {
			return append(dst, r.Host.Address...)
		}
	case config.LogUpstreamLocal:
		return m.addresses.append(dst, r.UpstreamLocal, how, room)
	case config.LogUpstreamConnection:
		return appendPositive(dst, r.UpstreamConnection)
	case config.LogRemote:
		return m.addresses.append(dst, r.Remote, how, room)
	case config.LogLocal:
		return m.addresses.append(dst, r.Local, how, room)
	case config.LogConnection:
		return appendPositive(dst, r.Connection)
	case config.LogLoop:
		return strconv.AppendInt(dst, int64(r.Loop), 10)
	}
	return dst
}

func appendPositive(dst []byte, n uint64) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendUint(dst, n, 10)
}

func appendStatus(dst []byte, n int) []byte {
	if n == pipeline.NoStatus {
		return dst
	}
	return strconv.AppendInt(dst, int64(n), 10)
}

// protocolName is MOSN's.
func protocolName(p codec.Protocol) string {
	switch p {
	case codec.Bolt:
		return "bolt"
	case codec.HTTP2:
		return "Http2"
	}
	return ""
}

// tls is what the client's handshake said.
func (s *segment) tls(r *pipeline.Ended) string {
	h := r.Hello
	if h == nil {
		return ""
	}
	switch s.kind {
	case config.LogServerName:
		return h.ServerName
	case config.LogTLSVersion:
		return tlsVersions[h.Version]
	case config.LogTLSCipher:
		return tls.CipherSuiteName(h.CipherSuite)
	}
	p := h.Peer
	if p == nil || !p.Verified {
		return ""
	}
	switch {
	case s.kind == config.LogTLSPeer:
		return p.Subject
	case s.kind == config.LogTLSPeerHash:
		return p.Hash
	case len(p.URIs) > 0:
		return p.URIs[0]
	case len(p.DNSNames) > 0:
		return p.DNSNames[0]
	}
	return ""
}

var tlsVersions = map[uint16]string{
	tls.VersionTLS10: "TLSv1.0", tls.VersionTLS11: "TLSv1.1", tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3",
}

// sent is what a peer has sent.
func (s *segment) sent(r *pipeline.Ended) []byte {
	switch s.kind {
	case config.LogMethod:
		return r.Method
	case config.LogScheme:
		return r.Scheme
	case config.LogAuthority:
		return r.Authority
	case config.LogURI:
		return r.Path
	case config.LogPath:
		path, _, _ := bytes.Cut(r.Path, []byte("?"))
		return path
	case config.LogQuery:
		_, query, _ := bytes.Cut(r.Path, []byte("?"))
		return query
	case config.LogClass:
		return r.Class
	case config.LogTraceID:
		return s.traceID(r)
	case config.LogSpanID:
		return r.SpanID
	case config.LogReplyHeader:
		return r.Reply[s.headers[0]].Value
	case config.LogParameter:
		_, query, _ := bytes.Cut(r.Path, []byte("?"))
		return pairOf(query, '&', s.name)
	case config.LogCookie:
		return bytes.Trim(pairOf(r.Request[s.headers[0]].Value, ';', s.name), `"`)
	}
	for _, i := range s.headers {
		if i >= 0 && len(r.Request[i].Value) > 0 {
			return r.Request[i].Value
		}
	}
	return nil
}

// traceID is that of the span that was made, else that of the caller.
func (s *segment) traceID(r *pipeline.Ended) []byte {
	if len(r.TraceID) > 0 {
		return r.TraceID
	}
	// version-traceid-parentid-flags (W3C Trace Context, 3.2)
	if _, rest, ok := bytes.Cut(r.Request[s.headers[0]].Value, []byte("-")); ok {
		id, _, _ := bytes.Cut(rest, []byte("-"))
		return id
	}
	for _, i := range s.headers[1:] {
		if v := r.Request[i].Value; len(v) > 0 {
			return v
		}
	}
	return nil
}

// pairOf is the value of the first pair of that name.
func pairOf(list []byte, separator byte, name string) []byte {
	for len(list) > 0 {
		pair := list
		if i := bytes.IndexByte(list, separator); i >= 0 {
			pair, list = list[:i], list[i+1:]
		} else {
			list = nil
		}
		if key, value, _ := bytes.Cut(bytes.TrimLeft(pair, " "), []byte("=")); string(key) == name {
			return value
		}
	}
	return nil
}

// flags are Envoy's letters for what a reason is there; "-" is left to the format.
var flags = [codec.ReasonCount]string{
	codec.NoRoute: "NR", codec.NoCluster: "NC", codec.NoHealthyUpstream: "UH",
	codec.ConnectFailed: "UF", codec.ConnectTimeout: "UF", codec.UpstreamTLSFailed: "UF",
	codec.UpstreamTimeout: "UT", codec.UpstreamReset: "UR", codec.UpstreamRefused: "UR", codec.UpstreamGoAway: "UR",
	codec.UpstreamClosed: "UC", codec.UpstreamUnresponsive: "UC", codec.UpstreamProtocolError: "UPE",
	codec.DownstreamReset: "DR", codec.DownstreamClosed: "DC", codec.DownstreamSlow: "DC",
	codec.Overflow: "UO", codec.Overloaded: "OM", codec.Calm: "DPE", codec.ProtocolError: "DPE", codec.HeaderTooLarge: "DPE",
	codec.IdleTimeout: "SI", codec.Draining: "LR", codec.Internal: "LR", codec.AccessDenied: "UAEX",
	codec.RateLimited: "RL", codec.FaultAbort: "FI",
}
