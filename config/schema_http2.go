// SPDX-License-Identifier: Apache-2.0

package config

import (
	"math"
	"time"
)

// http2Limit is one key of extend_config.Http2 and the member it sets: number or
// duration.
type http2Limit struct {
	key
	number   func(*HTTP2Limits) *int
	duration func(*HTTP2Limits) *time.Duration
	// listener: only connections from clients have it.
	listener bool
}

// Ranges. A limit that has to be there can not be 0; one that bounds a number of
// anomalies can.
const (
	// countMax is above any sensible number of streams, frames or anomalies.
	countMax = 1 << 20
	// windowMin lets a body move at all; windowMax is that of the protocol.
	windowMin, windowMax = 1 << 10, math.MaxInt32
	// connectionWindowMin is what a connection begins with.
	connectionWindowMin = 1<<16 - 1
	// listMin is room for any ordinary request.
	listMin, listMax = 1 << 10, 16 << 20
	// informationalMax is what one octet counts to with room to spare.
	informationalMax      = 100
	timeoutMin, dayAtMost = int64(time.Millisecond), int64(24 * time.Hour)
)

func count(name, fallback string, least, most int64, at func(*HTTP2Limits) *int, doc string) http2Limit {
	return http2Limit{key: key{name: name, kind: integerKind, fallback: fallback, min: least, max: most, doc: doc}, number: at}
}

func timeout(name, fallback string, at func(*HTTP2Limits) *time.Duration, doc string) http2Limit {
	return http2Limit{key: key{name: name, kind: durationKind, fallback: `"` + fallback + `"`, min: timeoutMin, max: dayAtMost, doc: doc}, duration: at}
}

// ofListener marks a limit that only connections from clients have.
func (l http2Limit) ofListener() http2Limit {
	l.listener = true
	return l
}

// http2Limits are this proxy's own keys; MOSN has none of them. Names are those
// of Envoy, HAProxy and nghttp2 where these have the limit.
var http2Limits = []http2Limit{
	count("max_concurrent_streams", `1024`, 1, countMax, func(l *HTTP2Limits) *int { return &l.MaxStreams }, "Requests in progress on one connection."),
	count("max_header_list_size", `65536`, listMin, listMax, func(l *HTTP2Limits) *int { return &l.HeaderList }, "Bytes of a decoded header list, 32 more for each field."),
	count("max_header_fields", `256`, 16, countMax, func(l *HTTP2Limits) *int { return &l.HeaderFields }, "Fields of a header list; each crumb of a cookie counts."),
	count("max_continuation_frames", `16`, 0, countMax, func(l *HTTP2Limits) *int { return &l.Continuations }, "CONTINUATION frames of one header block."),
	count("max_informational_replies", `16`, 0, informationalMax, func(l *HTTP2Limits) *int { return &l.Informational }, "1xx replies to one request."),
	count("initial_connection_window_size", `1048576`, connectionWindowMin, windowMax, func(l *HTTP2Limits) *int { return &l.ConnWindow }, "Body bytes that the peer may send ahead on one connection."),
	count("initial_stream_window_size", `65535`, windowMin, windowMax, func(l *HTTP2Limits) *int { return &l.StreamWindow }, "Body bytes that the peer may send ahead on a new stream."),
	count("max_stream_window_size", `262144`, windowMin, windowMax, func(l *HTTP2Limits) *int { return &l.MaxStreamWindow }, "What a stream's window grows to while its consumer keeps up."),
	count("reset_burst", `1000`, 1, countMax, func(l *HTTP2Limits) *int { return &l.ResetBurst }, "Premature or provoked resets at once.").ofListener(),
	count("reset_rate", `33`, 1, countMax, func(l *HTTP2Limits) *int { return &l.ResetRate }, "Premature or provoked resets per second.").ofListener(),
	timeout("premature_reset_time", "100ms", func(l *HTTP2Limits) *time.Duration { return &l.ResetTime }, "Age of a request below which its client's reset is premature.").ofListener(),
	count("overhead_burst", `10000`, 1, countMax, func(l *HTTP2Limits) *int { return &l.OverheadBurst }, "Frames without a use, beyond what the traffic explains, at once."),
	count("overhead_rate", `330`, 1, countMax, func(l *HTTP2Limits) *int { return &l.OverheadRate }, "Such frames per second."),
	count("max_empty_data_frames", `100`, 0, countMax, func(l *HTTP2Limits) *int { return &l.EmptyData }, "DATA frames in a row without payload and end."),
	count("glitch_threshold", `10000`, 0, math.MaxInt32, func(l *HTTP2Limits) *int { return &l.Glitches }, "Weight of anomalies at which the connection is closed, drained at three quarters of it; 0 for no limit."),
	count("glitch_decay", `330`, 1, countMax, func(l *HTTP2Limits) *int { return &l.GlitchRate }, "Weight of anomalies forgiven per second."),
	count("max_outbound_control_frames", `1000`, 1, countMax, func(l *HTTP2Limits) *int { return &l.Replies }, "Acknowledgements and resets written to a peer that does not read."),
	count("max_outbound_bytes", `4194304`, 1<<16, 1<<30, func(l *HTTP2Limits) *int { return &l.Backlog }, "Bytes that wait for a peer that does not read."),
	count("max_unread_requests", `128`, 1, countMax, func(l *HTTP2Limits) *int { return &l.UnreadRequests }, "Requests taken of a client that does not read its replies.").ofListener(),
	count("max_settings_entries", `32`, 8, countMax, func(l *HTTP2Limits) *int { return &l.SettingsEntries }, "Entries of one SETTINGS frame."),
	timeout("setup_timeout", "10s", func(l *HTTP2Limits) *time.Duration { return &l.SetupTime }, "Bound on a peer's way to the end of its first SETTINGS."),
	timeout("settings_ack_timeout", "10s", func(l *HTTP2Limits) *time.Duration { return &l.AckTime }, "Bound on the acknowledgement of our SETTINGS.").ofListener(),
	timeout("header_timeout", "10s", func(l *HTTP2Limits) *time.Duration { return &l.BlockTime }, "Bound on a header block, or a control frame, once begun."),
	timeout("drain_timeout", "1s", func(l *HTTP2Limits) *time.Duration { return &l.DrainTime }, "Time between the two GOAWAY frames of a drain for a client that does not answer.").ofListener(),
	timeout("request_linger_timeout", "500ms", func(l *HTTP2Limits) *time.Duration { return &l.LingerTime }, "Bound on the rest of a request whose reply is complete.").ofListener(),
	timeout("stream_idle_timeout", "5m", func(l *HTTP2Limits) *time.Duration { return &l.StallTime }, "Bound on a stream without progress."),
}

// limitKeys are the keys of a listener's Http2, or of a cluster's.
func limitKeys(listener bool) []key {
	var keys []key
	for i := range http2Limits {
		if l := &http2Limits[i]; listener || !l.listener {
			keys = append(keys, l.key)
		}
	}
	return keys
}

var http2Object = &object{name: "Http2", keys: append([]key{
	{name: "http2_use_stream", kind: flagKind, doc: "Forward bodies as they arrive; Sideloop always does."},
	{name: "allow_connect", kind: flagKind, doc: "Take CONNECT, plain and extended (RFC 8441), and tunnel it to HTTP/2 hosts; refused by default."},
}, limitKeys(true)...)}

// clusterExtendObject is this proxy's own: MOSN has no settings of protocols
// toward hosts.
var clusterExtendObject = &object{name: "a cluster's extend_config", keys: []key{
	{name: "Http2", kind: objectKind, object: clusterHTTP2Object, doc: "Settings of HTTP/2 toward the hosts."},
}}

var clusterHTTP2Object = &object{name: "a cluster's Http2", keys: limitKeys(false)}
