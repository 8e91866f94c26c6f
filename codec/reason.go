// SPDX-License-Identifier: Apache-2.0

package codec

// Reason is why a request or a connection ended other than by success. The set
// is closed: the same word stands in the log, the metric and the reply.
type Reason uint8

// ReasonNone is the zero value: an orderly end.
const (
	ReasonNone Reason = iota
	NoRoute
	NoCluster
	NoHealthyUpstream
	ConnectFailed
	ConnectTimeout
	UpstreamTimeout
	UpstreamReset
	UpstreamRefused
	UpstreamGoAway
	UpstreamClosed
	UpstreamUnresponsive
	UpstreamProtocolError
	DownstreamReset
	DownstreamClosed
	DownstreamSlow
	Overflow
	BodyTooLarge
	HeaderTooLarge
	ProtocolError
	Calm
	IdleTimeout
	Draining
	Internal
	TunnelRefused
	TunnelUnsupported
	AccessDenied
	RateLimited
	FaultAbort
	Overloaded
	UpstreamTLSFailed
	ReasonCount
)

// ReasonHeader carries the reason's word in a reply: an HTTP/2 header or a pair
// of the Bolt header map.
const ReasonHeader = "x-sideloop-reason"

// HTTP/2 error codes (RFC 9113, 7) that reasons map to.
const (
	h2NoError         = 0x0
	h2ProtocolError   = 0x1
	h2InternalError   = 0x2
	h2RefusedStream   = 0x7
	h2Cancel          = 0x8
	h2EnhanceYourCalm = 0xb
)

// gRPC status codes that reasons map to.
const (
	grpcOK                = 0
	grpcCancelled         = 1
	grpcUnknown           = 2
	grpcDeadlineExceeded  = 4
	grpcPermissionDenied  = 7
	grpcResourceExhausted = 8
	grpcUnimplemented     = 12
	grpcInternal          = 13
	grpcUnavailable       = 14
	grpcUnauthenticated   = 16
)

// Bolt response statuses.
const (
	BoltSuccess         = 0
	BoltServerException = 2
	BoltUnknown         = 3
	BoltBusy            = 4
	BoltNoProcessor     = 6
	BoltTimeout         = 7
	BoltClientSendError = 8
	BoltCodecException  = 9
	BoltClosed          = 16
	BoltServerDeserial  = 18
)

// reasonRow is what a reason is in each protocol's terms.
type reasonRow struct {
	word, text string
	http       int
	grpc       int
	h2         uint32
	bolt       uint16
}

// reasons is the one table of DESIGN's "Reasons". The text says what happened
// and what to look at.
var reasons = [ReasonCount]reasonRow{
	ReasonNone:            {"", "", 200, grpcOK, h2NoError, BoltSuccess},
	NoRoute:               {"no_route", "no route matches the request; compare its headers with the listener's virtual_hosts", 404, grpcUnimplemented, h2Cancel, BoltNoProcessor},
	NoCluster:             {"no_cluster", "the route names a cluster that does not exist", 404, grpcUnimplemented, h2Cancel, BoltNoProcessor},
	NoHealthyUpstream:     {"no_healthy_upstream", "the cluster has no host to send to", 502, grpcUnavailable, h2Cancel, BoltNoProcessor},
	ConnectFailed:         {"connect_failed", "no connection to the upstream host could be made; is it running?", 502, grpcUnavailable, h2Cancel, BoltNoProcessor},
	ConnectTimeout:        {"connect_timeout", "the upstream host did not accept a connection in time", 502, grpcUnavailable, h2Cancel, BoltNoProcessor},
	UpstreamTimeout:       {"upstream_timeout", "the upstream did not reply in time", 504, grpcDeadlineExceeded, h2Cancel, BoltTimeout},
	UpstreamReset:         {"upstream_reset", "the upstream ended the request without a complete reply", 502, grpcUnavailable, h2InternalError, BoltUnknown},
	UpstreamRefused:       {"upstream_refused", "the upstream refused the request before processing it", 502, grpcUnavailable, h2RefusedStream, BoltUnknown},
	UpstreamGoAway:        {"upstream_goaway", "the upstream hosts kept ending their connections before looking at the request", 502, grpcUnavailable, h2RefusedStream, BoltUnknown},
	UpstreamClosed:        {"upstream_closed", "the upstream connection was lost with the request in flight", 502, grpcUnavailable, h2InternalError, BoltUnknown},
	UpstreamUnresponsive:  {"upstream_unresponsive", "the upstream host has stopped to answer, heartbeats included; its connection was closed", 502, grpcUnavailable, h2InternalError, BoltUnknown},
	UpstreamProtocolError: {"upstream_protocol_error", "the upstream's reply breaks its protocol", 502, grpcInternal, h2InternalError, BoltCodecException},
	DownstreamReset:       {"downstream_reset", "the client cancelled the request", 499, grpcCancelled, h2Cancel, BoltUnknown},
	DownstreamClosed:      {"downstream_closed", "the client closed its connection with the request in flight", 499, grpcCancelled, h2Cancel, BoltUnknown},
	DownstreamSlow:        {"downstream_slow", "the client does not read its replies", 503, grpcResourceExhausted, h2Cancel, BoltBusy},
	Overflow:              {"overflow", "a limit on waiting requests, streams or buffered bytes was reached", 503, grpcUnavailable, h2EnhanceYourCalm, BoltBusy},
	BodyTooLarge:          {"body_too_large", "the body is over the limit for gathering, so send content-length, or over a payload_limit", 413, grpcResourceExhausted, h2Cancel, BoltClientSendError},
	HeaderTooLarge:        {"header_too_large", "the headers are over the limit", 431, grpcResourceExhausted, h2EnhanceYourCalm, BoltCodecException},
	ProtocolError:         {"protocol_error", "the request breaks its protocol", 400, grpcInternal, h2ProtocolError, BoltCodecException},
	Calm:                  {"enhance_your_calm", "the peer floods the connection", 503, grpcResourceExhausted, h2EnhanceYourCalm, BoltBusy},
	IdleTimeout:           {"idle_timeout", "the connection or stream made no progress for too long", 504, grpcDeadlineExceeded, h2Cancel, BoltTimeout},
	Draining:              {"draining", "the proxy is shutting down", 503, grpcUnavailable, h2RefusedStream, BoltBusy},
	Internal:              {"internal", "a fault inside the proxy; see its log", 500, grpcInternal, h2InternalError, BoltServerException},
	TunnelRefused:         {"tunnel_refused", "the listener takes no CONNECT, or the route leads to hosts that cannot have it; see extend_config.Http2.allow_connect", 501, grpcUnimplemented, h2Cancel, BoltNoProcessor},
	UpstreamTLSFailed:     {"upstream_tls_failed", "the upstream host was connected to, but the TLS handshake failed; compare tls_context with the host's certificate", 502, grpcUnavailable, h2Cancel, BoltNoProcessor},
	TunnelUnsupported:     {"tunnel_unsupported", "the upstream host takes no extended CONNECT; its SETTINGS do not announce RFC 8441", 502, grpcUnimplemented, h2Cancel, BoltNoProcessor},
	AccessDenied:          {"access_denied", "the client's address may not use the listener; see ip_access", 403, grpcPermissionDenied, h2Cancel, BoltServerException},
	RateLimited:           {"rate_limited", "the request is over a rate; see local_rate_limit and flowControlFilter", 429, grpcUnavailable, h2EnhanceYourCalm, BoltBusy},
	FaultAbort:            {"fault_abort", "the request was aborted on purpose; see the filter fault", 503, grpcUnavailable, h2Cancel, BoltBusy},
	Overloaded:            {"overloaded", "the proxy or the upstream has more to do than it can; the request was not looked at", 503, grpcUnavailable, h2RefusedStream, BoltBusy},
}

// String is the reason's word.
func (r Reason) String() string { return r.row().word }

// Text is a sentence for people: what happened and what to look at.
func (r Reason) Text() string { return r.row().text }

// HTTPStatus is the status of a reply that the proxy makes for this reason.
func (r Reason) HTTPStatus() int { return r.row().http }

// GRPCStatus is the grpc-status of such a reply.
func (r Reason) GRPCStatus() int { return r.row().grpc }

// HTTP2Code is the code of an RST_STREAM or GOAWAY for this reason.
func (r Reason) HTTP2Code() uint32 { return r.row().h2 }

// BoltStatus is the response status of a Bolt reply for this reason.
func (r Reason) BoltStatus() uint16 { return r.row().bolt }

func (r Reason) row() *reasonRow {
	if r >= ReasonCount {
		return &reasons[Internal]
	}
	return &reasons[r]
}

// words is the reasons by their words.
var words = func() map[string]Reason {
	m := make(map[string]Reason, ReasonCount)
	for r := ReasonNone + 1; r < ReasonCount; r++ {
		m[r.String()] = r
	}
	return m
}()

// ReasonOf is the reason with that word, which another Sideloop sent.
func ReasonOf(word []byte) (r Reason, ok bool) {
	r, ok = words[string(word)]
	return r, ok
}

// BoltStatusFromHTTP maps the status of an HTTP reply that carries no Bolt
// status of its own to one: as MOSN 1.x does, and what MOSN has no status for
// by its meaning.
func BoltStatusFromHTTP(status int) uint16 {
	if status >= 200 && status < 300 {
		return BoltSuccess
	}
	switch status {
	case 404, 502:
		return BoltNoProcessor
	case 429, 503:
		return BoltBusy
	case 408, 504:
		return BoltTimeout
	case 403:
		return BoltServerException
	case 400, 431:
		return BoltCodecException
	case 413:
		return BoltClientSendError
	}
	return BoltUnknown
}

// GRPCStatusFromHTTP maps the status of an HTTP reply without a gRPC status to
// one, as gRPC clients themselves do (gRPC, HTTP to gRPC status code mapping).
func GRPCStatusFromHTTP(status int) int {
	switch status {
	case 400:
		return grpcInternal
	case 401:
		return grpcUnauthenticated
	case 403:
		return grpcPermissionDenied
	case 404:
		return grpcUnimplemented
	case 429, 502, 503, 504:
		return grpcUnavailable
	}
	return grpcUnknown
}

// GRPCResourceExhausted is the gRPC status of what is over a quota.
const GRPCResourceExhausted = grpcResourceExhausted

// HTTPStatusFromBolt maps a Bolt response status to HTTP terms, for logs,
// metrics and retry conditions.
func HTTPStatusFromBolt(status uint16) int {
	switch status {
	case BoltSuccess:
		return 200
	case BoltBusy:
		return 503
	case BoltTimeout:
		return 504
	case BoltNoProcessor, BoltClosed:
		return 502
	}
	return 500
}
