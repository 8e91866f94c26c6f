// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strings"
	"time"
)

// AccessLog is one log with a line per request; docs/ACCESS_LOG.md has the
// meaning.
type AccessLog struct {
	// Target is "stdout", "stderr" or the path of a file.
	Target string
	// Line is the format of lines that are text; where Fields are set, lines are
	// JSON objects.
	Line   []LogSegment
	Fields []LogField
	Filter LogFilter
}

// LogFilter is which requests have a line: those that meet all that is set.
type LogFilter struct {
	OnlyFailed bool
	SlowerThan time.Duration
	StatusFrom int
	// Percent of the requests that are left, 100 for all.
	Percent float64
}

// LogSegment is a part of a line.
type LogSegment = TemplatePart[LogVariable]

// LogField is one key of a JSON line with its value, or with an object.
type LogField struct {
	Name   string
	Value  []LogSegment
	Object []LogField
}

// LogVariable is something known of a request that has ended.
type LogVariable struct {
	Kind LogKind
	// Name is that of the header, the cookie or the parameter.
	Name string
}

// LogKind is what a variable of access logs stands for.
type LogKind uint8

const (
	LogStartTime LogKind = iota
	LogTime
	LogTimeUnix
	LogRequestReceived
	LogReplyReceived
	LogFinished
	LogProcessTime
	LogDurationMS
	LogRequestMS
	LogWaitMS
	LogUpstreamMS
	LogReplyMS
	LogBytesReceived
	LogBytesSent
	LogUpstreamBytesSent
	LogUpstreamBytesReceived
	LogProtocol
	LogUpstreamProtocol
	LogStatus
	LogUpstreamStatus
	LogGRPCStatus
	LogBoltStatus
	LogReason
	LogReasonText
	LogFlags
	LogTries
	LogOneWay
	LogListener
	LogRoute
	LogCluster
	LogHost
	LogUpstreamLocal
	LogUpstreamConnection
	LogRemote
	LogLocal
	LogConnection
	LogLoop
	// The next are of the client's TLS, in the order of the kinds of Variable.
	LogTLSVersion
	LogTLSCipher
	LogServerName
	LogPeerSubject
	LogPeerIssuer
	LogPeerSerial
	LogPeerURI
	LogPeerDNS
	LogPeerFingerprint
	LogPeerName
	LogMethod
	LogScheme
	LogAuthority
	LogURI
	LogPath
	LogQuery
	LogService
	LogOperation
	LogClass
	LogTraceID
	LogSpanID
	LogRequestHeader
	LogReplyHeader
	LogParameter
	LogCookie
)

// logVariable is a row of the table of variables. The first of the names is the
// one to use; a name that ends in "_" or "." goes on with an argument.
type logVariable struct {
	kind   LogKind
	names  []string
	number bool
	doc    string
}

var logVariables = []logVariable{
	{LogStartTime, []string{"start_time", "StartTime"}, false, "when the request arrived, as `2006/01/02 15:04:05.000` in local time"},
	{LogTime, []string{"time"}, false, "the same, as RFC 3339 in UTC with milliseconds"},
	{LogTimeUnix, []string{"time_unix_ms"}, true, "the same, in milliseconds since 1970"},
	{LogRequestReceived, []string{"request_received_duration", "RequestReceivedDuration"}, false, "until the last byte of the request had arrived"},
	{LogReplyReceived, []string{"response_received_duration", "ResponseReceivedDuration"}, false, "until the head of the reply went to the client"},
	{LogFinished, []string{"duration", "Duration", "request_finished_duration"}, false, "until the request had ended"},
	{LogProcessTime, []string{"process_time_duration"}, false, "`duration` without the time that the host took"},
	{LogDurationMS, []string{"duration_ms"}, true, "`duration` in milliseconds"},
	{LogRequestMS, []string{"request_ms"}, true, "`request_received_duration` in milliseconds"},
	{LogWaitMS, []string{"wait_ms"}, true, "until there was a stream to a host: filters, the wait for a connection"},
	{LogUpstreamMS, []string{"upstream_ms"}, true, "from the stream of the last try to the reply's head"},
	{LogReplyMS, []string{"reply_ms"}, true, "from the reply's head to the end"},
	{LogBytesReceived, []string{"bytes_received", "BytesReceived", "Http1_request_length", "Http2_request_length"}, true, "bytes of the request's body (Bolt: its content) from the client"},
	{LogBytesSent, []string{"bytes_sent", "BytesSent"}, true, "bytes of the reply's body given to the client"},
	{LogUpstreamBytesSent, []string{"upstream_bytes_sent"}, true, "bytes of bodies given to hosts, over all tries"},
	{LogUpstreamBytesReceived, []string{"upstream_bytes_received"}, true, "bytes of bodies from hosts"},
	{LogProtocol, []string{"protocol", "Protocol"}, false, "the client's: `bolt` or `Http2`"},
	{LogUpstreamProtocol, []string{"upstream_protocol"}, false, "the host's"},
	{LogStatus, []string{"response_code", "ResponseCode"}, true, "the status in HTTP's terms; where the client got none because the request failed, that of the reason; 0 for none (one-way). A Bolt status is mapped, a gRPC error is 200"},
	{LogUpstreamStatus, []string{"upstream_response_code"}, true, "what the host answered, in HTTP's terms"},
	{LogGRPCStatus, []string{"grpc_status"}, true, "grpc-status of the reply's head or trailers; of gRPC only"},
	{LogBoltStatus, []string{"bolt_status"}, true, "response status of the Bolt frame, or that which an HTTP/2 reply carries for one"},
	{LogReason, []string{"reason"}, false, "the word of the reason, as in metrics and in `x-sideloop-reason`, where the request failed"},
	{LogReasonText, []string{"reason_text", "upstream_transport_failure_reason"}, false, "the reason's sentence"},
	{LogFlags, []string{"response_flag", "response_flags", "ResponseFlag"}, false, "Envoy's letters for the reason: see below"},
	{LogTries, []string{"tries"}, true, "streams opened to hosts, retries and hedges among them"},
	{LogOneWay, []string{"one_way"}, false, "`true` for a one-way request, which has no reply"},
	{LogListener, []string{"listener"}, false, "name of the listener"},
	{LogRoute, []string{"route_name"}, false, "where the route stands in the configuration, as `explain` says it"},
	{LogCluster, []string{"upstream_cluster"}, false, "name of the cluster"},
	{LogHost, []string{"upstream_host", "UpstreamHost"}, false, "address of the host that was chosen last"},
	{LogUpstreamLocal, []string{"upstream_local_address", "UpstreamLocalAddress"}, false, "our address on the connection to it"},
	{LogUpstreamConnection, []string{"upstream_connection_id"}, true, "number of that connection"},
	{LogRemote, []string{"downstream_remote_address", "DownstreamRemoteAddress"}, false, "the client's address and port"},
	{LogLocal, []string{"downstream_local_address", "DownstreamLocalAddress"}, false, "the address and port that it connected to"},
	{LogConnection, []string{"connection_id"}, true, "number of the client's connection"},
	{LogLoop, []string{"loop"}, true, "index of the loop that the connection is on"},
	{LogTLSVersion, []string{"downstream_tls_version", "DOWNSTREAM_TLS_VERSION", "tls_version"}, false, "as `TLSv1.3`"},
	{LogTLSCipher, []string{"downstream_tls_cipher", "DOWNSTREAM_TLS_CIPHER", "tls_cipher"}, false, "IANA's name of the cipher suite"},
	{LogServerName, []string{"requested_server_name", "REQUESTED_SERVER_NAME"}, false, "name that the client asked for by SNI"},
	{LogPeerSubject, []string{"downstream_peer_subject", "DOWNSTREAM_PEER_SUBJECT", "tls_peer_subject"}, false, "distinguished name of the client's certificate; this and the next only if that was verified"},
	{LogPeerIssuer, []string{"downstream_peer_issuer", "DOWNSTREAM_PEER_ISSUER"}, false, "distinguished name of who issued it"},
	{LogPeerSerial, []string{"downstream_peer_serial", "DOWNSTREAM_PEER_SERIAL"}, false, "its serial number in hexadecimal"},
	{LogPeerURI, []string{"downstream_peer_uri_san", "DOWNSTREAM_PEER_URI_SAN"}, false, "its URIs, such as a SPIFFE id, joined by commas"},
	{LogPeerDNS, []string{"downstream_peer_dns_san", "DOWNSTREAM_PEER_DNS_SAN"}, false, "its DNS names, joined by commas"},
	{LogPeerFingerprint, []string{"downstream_peer_fingerprint_256", "DOWNSTREAM_PEER_FINGERPRINT_256", "tls_peer_hash"}, false, "SHA-256 of the certificate in hexadecimal"},
	{LogPeerName, []string{"tls_peer_san"}, false, "its first URI, else its first DNS name"},
	{LogMethod, []string{"method", "x-mosn-method", "Http1_request_method", "Http2_request_method"}, false, "method; Bolt has none"},
	{LogScheme, []string{"scheme", "x-mosn-scheme", "Http1_request_scheme", "Http2_request_scheme"}, false, "scheme; Bolt has none"},
	{LogAuthority, []string{"authority", "x-mosn-host"}, false, "`:authority` or host; Bolt has none"},
	{LogURI, []string{"uri", "Http1_request_uri", "Http2_request_uri"}, false, "path with query; Bolt has none"},
	{LogPath, []string{"path", "x-mosn-path", "x-mosn-path-original", "Http1_request_path", "Http2_request_path", "Http1_request_path_original", "Http2_request_path_original"}, false, "path without query, as the client sent it; Bolt has none"},
	{LogQuery, []string{"query", "x-mosn-querystring"}, false, "query; Bolt has none"},
	{LogService, []string{"service"}, false, "Bolt: header `sofa_head_target_service`, else `service`; HTTP/2: the same headers"},
	{LogOperation, []string{"operation"}, false, "Bolt: header `sofa_head_method_name`; HTTP/2: the same header"},
	{LogClass, []string{"class"}, false, "Bolt: class of the content; HTTP/2 has none"},
	{LogTraceID, []string{"trace_id"}, false, "of the span, else from `traceparent`, `x-b3-traceid` or `rpc_trace_context.sofaTraceId`"},
	{LogSpanID, []string{"span_id"}, false, "of the span, where one was made"},
	{LogRequestHeader, []string{"request_header_", "REQ."}, false, "header NAME as the client sent it; keys of Bolt as written, else in lower case"},
	{LogReplyHeader, []string{"response_header_", "RESP."}, false, "header NAME as the client got it"},
	{LogParameter, []string{"request_arg_", "Http1_request_arg_", "Http2_request_arg_"}, false, "parameter NAME of the query"},
	{LogCookie, []string{"cookie_", "Http1_cookie_", "Http2_cookie_"}, false, "cookie NAME"},
}

// Number tells that the value is a number, which is one in JSON, too.
func (k LogKind) Number() bool { return logVariables[k].number }

// TLS is the kind of Variable that stands for the same part of the client's TLS;
// ok is false for what is not of TLS, or of access logs only.
func (k LogKind) TLS() (v VariableKind, ok bool) {
	return VariableTLSVersion + VariableKind(k-LogTLSVersion), k >= LogTLSVersion && k <= LogPeerFingerprint
}

// takesArgument tells that a name goes on with an argument.
func takesArgument(name string) bool {
	return strings.HasSuffix(name, "_") || strings.HasSuffix(name, ".")
}

// logVariableOf is the variable of that name, nil for none.
func logVariableOf(name string) *LogVariable {
	for i := range logVariables {
		for _, n := range logVariables[i].names {
			if !takesArgument(n) {
				if n == name {
					return &LogVariable{Kind: logVariables[i].kind}
				}
			} else if arg, has := strings.CutPrefix(name, n); has && arg != "" && strings.Trim(arg, variableBytes) == "" {
				return &LogVariable{logVariables[i].kind, arg}
			}
		}
	}
	return nil
}

// LogVariableNames are all names of variables, those that take an argument with
// NAME for it.
func LogVariableNames() []string {
	var names []string
	for i := range logVariables {
		for _, n := range logVariables[i].names {
			if takesArgument(n) {
				n += "NAME"
			}
			names = append(names, n)
		}
	}
	return names
}

// ParseLogFormat splits a format at its %variables%; "%%" is a percent sign.
// wrong is the first name that is none of a variable, or a percent sign that is
// not closed.
func ParseLogFormat(format string) (list []LogSegment, wrong string) {
	list = splitTemplate(format, func(name string, closed bool) (*LogVariable, bool) {
		v := logVariableOf(name)
		switch {
		case wrong != "":
		case !closed:
			wrong = "%"
		case v == nil:
			wrong = name
		}
		return v, v != nil
	})
	if wrong != "" {
		return nil, wrong
	}
	return list, ""
}

// DefaultLogFormat is MOSN's.
const DefaultLogFormat = "%start_time% %trace_id% %connection_id% %upstream_connection_id% %request_received_duration% %response_received_duration% " +
	"%bytes_sent% %bytes_received% %protocol% %response_code% %duration% %response_flag% %response_code% %upstream_local_address% " +
	"%downstream_local_address% %downstream_remote_address% %upstream_host% %reason%"
