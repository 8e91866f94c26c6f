// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"bytes"
	"strconv"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline"
)

// append appends the value of a variable, nothing where the request has none, and
// at most room bytes of what peers have sent.
func (s *segment) append(dst []byte, r *pipeline.Ended, m *memory, how escaping, room int) []byte {
	switch s.kind {
	case config.LogStartTime:
		return m.clock.appendLocal(dst, r.Began+r.Wall)
	case config.LogTime:
		return m.clock.appendUTC(dst, r.Began+r.Wall)
	case config.LogTimeUnix:
		return appendInt(dst, (r.Began+r.Wall)/1e6)
	case config.LogRequestReceived:
		return m.clock.appendDurationOf(dst, r.Began, r.Received)
	case config.LogReplyReceived:
		return m.clock.appendDurationOf(dst, r.Began, r.Replied)
	case config.LogFinished:
		return m.clock.appendDurationOf(dst, r.Began, r.Finished)
	case config.LogProcessTime:
		own := r.Finished - r.Began
		if r.Resent > 0 && r.Replied > r.Resent {
			own -= r.Replied - r.Resent
		}
		return appendDuration(dst, uint64(max(own, 0)))
	case config.LogDurationMS:
		return appendMSOf(dst, r.Began, r.Finished)
	case config.LogRequestMS:
		return appendMSOf(dst, r.Began, r.Received)
	case config.LogWaitMS:
		return appendMSOf(dst, r.Began, r.Sent)
	case config.LogUpstreamMS:
		if r.Resent == 0 {
			return dst
		}
		return appendMSOf(dst, r.Resent, r.Replied)
	case config.LogReplyMS:
		if r.Replied == 0 {
			return dst
		}
		return appendMSOf(dst, r.Replied, r.Finished)
	case config.LogBytesReceived:
		return appendInt(dst, r.BytesReceived)
	case config.LogBytesSent:
		return appendInt(dst, r.BytesSent)
	case config.LogUpstreamBytesSent:
		return appendInt(dst, r.UpstreamBytesSent)
	case config.LogUpstreamBytesReceived:
		return appendInt(dst, r.UpstreamBytesReceived)
	case config.LogUpstreamStatus:
		return appendPositive(dst, uint64(r.UpstreamStatus))
	case config.LogGRPCStatus:
		return appendStatus(dst, r.GRPCStatus)
	case config.LogBoltStatus:
		return appendStatus(dst, r.BoltStatus)
	case config.LogTries:
		return appendInt(dst, int64(r.Tries))
	case config.LogOneWay:
		return strconv.AppendBool(dst, r.OneWay)
	case config.LogRoute:
		if r.Route != nil {
			return appendEscaped(dst, r.Route.Place, how, room)
		}
		return dst
	}
	if constant(s.kind) {
		return s.appendConstant(dst, r, m, how, room)
	}
	return appendEscaped(dst, s.sent(r), how, room)
}

// appendMSOf appends the time between two moments unless the second never came.
func appendMSOf(dst []byte, from, to int64) []byte {
	if to == 0 {
		return dst
	}
	return appendMS(dst, uint64(max(to-from, 0)))
}

// appendReason appends a word, a sentence or the letters for a reason.
func (s *segment) appendReason(dst []byte, r codec.Reason) []byte {
	if r == codec.ReasonNone {
		return dst
	}
	switch s.kind {
	case config.LogReason:
		return append(dst, r.String()...)
	case config.LogReasonText:
		return append(dst, r.Text()...)
	}
	return append(dst, flags[r]...)
}

// appendConstant appends what belongs to the connections, or to how requests end.
func (s *segment) appendConstant(dst []byte, r *pipeline.Ended, m *memory, how escaping, room int) []byte {
	switch s.kind {
	case config.LogProtocol:
		return append(dst, r.From.MOSNName()...)
	case config.LogUpstreamProtocol:
		return append(dst, r.To.MOSNName()...)
	case config.LogListener:
		return appendEscaped(dst, r.Listener, how, room)
	case config.LogCluster:
		return appendEscaped(dst, r.Cluster, how, room)
	case config.LogHost:
		if r.Host != nil {
			return append(dst, r.Host.Address...)
		}
		return dst
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
		return appendInt(dst, int64(r.Loop))
	case config.LogStatus:
		return appendInt(dst, int64(r.Status))
	case config.LogReason, config.LogReasonText, config.LogFlags:
		return s.appendReason(dst, r.Reason)
	}
	m.names = s.appendTLS(m.names[:0], r.Hello)
	return appendEscaped(dst, m.names, how, room)
}

// appendTLS appends what the client's handshake said.
func (s *segment) appendTLS(dst []byte, h *eventloop.Hello) []byte {
	if k, ok := s.kind.TLS(); ok {
		return pipeline.AppendSecurity(dst, h, k)
	}
	switch p := pipeline.Proven(h); {
	case p == nil:
	case len(p.URIs) > 0:
		return append(dst, p.URIs[0]...)
	case len(p.DNSNames) > 0:
		return append(dst, p.DNSNames[0]...)
	}
	return dst
}

func appendStatus(dst []byte, n int) []byte {
	if n == pipeline.NoStatus {
		return dst
	}
	return appendInt(dst, int64(n))
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
