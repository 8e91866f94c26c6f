// SPDX-License-Identifier: Apache-2.0

package http2

import "time"

// Limits bounds what a peer may ask of a session. Sessions share one and only
// read it.
type Limits struct {
	// MaxStreams is the number of concurrent streams: what a server announces
	// and enforces, and the most that a client opens whatever its peer allows.
	MaxStreams int
	// HeaderList bounds a decoded header list, by the sizes of RFC 7541, 4.1.
	// A header block may have twice as many bytes on the wire.
	HeaderList int
	// HeaderFields bounds the fields of a header list; each cookie crumb
	// counts.
	HeaderFields int
	// Continuations bounds the CONTINUATION frames of one header block.
	Continuations int
	// Informational bounds the 1xx replies to one request.
	Informational int

	// ConnWindow is the receive window of the connection, at least the 65,535
	// that it starts with.
	ConnWindow int
	// StreamWindow is the receive window that a stream starts with.
	StreamWindow int
	// MaxStreamWindow is what a stream's window grows to while its consumer
	// keeps up.
	MaxStreamWindow int

	// ResetBurst and ResetRate (per second) bound the streams that the client
	// resets prematurely or that end by its mistakes. Each request that is
	// served to its end makes up for one.
	ResetBurst, ResetRate int
	// ResetTime is the age below which a stream is reset prematurely. Later
	// resets are those of deadlines and of people who go away.
	ResetTime time.Duration
	// OverheadBurst and OverheadRate (per second) bound the frames that move
	// no data: PING, SETTINGS, PRIORITY, WINDOW_UPDATE beyond the DATA sent,
	// small DATA that nobody consumes, unknown types.
	OverheadBurst, OverheadRate int
	// EmptyData bounds the DATA frames in a row that carry neither payload
	// nor END_STREAM.
	EmptyData int
	// Glitches bounds the anomalies of one connection, by weight: at three
	// quarters it is drained, at the limit it is closed. GlitchRate of them are
	// forgiven per second. 0 means no limit.
	Glitches, GlitchRate int
	// Replies bounds the PING and SETTINGS acknowledgements and the
	// RST_STREAM frames written while the sink is blocked.
	Replies int
	// Backlog bounds the bytes that the peer does not read. Beyond it a server
	// closes the connection and a client opens no stream on it.
	Backlog int
	// UnreadRequests bounds the requests taken while the sink is blocked.
	// Beyond it the connection is not read until the client reads.
	UnreadRequests int
	// SettingsEntries bounds the entries of one SETTINGS frame.
	SettingsEntries int

	// Connect lets a server take CONNECT, plain and extended (RFC 8441).
	Connect bool

	// SetupTime is how long a peer may take to the end of its first SETTINGS.
	SetupTime time.Duration
	// AckTime is how long a peer may take to acknowledge our SETTINGS.
	AckTime time.Duration
	// BlockTime is how long a header block, or any other frame that is gathered
	// whole, may take.
	BlockTime time.Duration
	// DrainTime is how long a drain waits for its round trip.
	DrainTime time.Duration
	// LingerTime is how long a request may take to its end once its reply is
	// complete, at least; at most twice as long.
	LingerTime time.Duration
	// StallTime is how long what is held of a message may wait while less than
	// leastProgress of it is sent, at least; at most twice as long.
	StallTime time.Duration
}

const (
	// defaultMaxStreams is generous for a sidecar, whose peers multiplex.
	defaultMaxStreams = 1024
	// defaultHeaderList is what common servers take.
	defaultHeaderList = 64 << 10
	// defaultHeaderFields passes 90 cookie crumbs beside the usual fields and
	// keeps the views of a block within 16 KiB.
	defaultHeaderFields = 256
	// defaultContinuations carries the largest header block allowed twice over.
	defaultContinuations = 16
	// defaultInformational is beyond any use of 1xx replies.
	defaultInformational = 16
	// defaultConnWindow lets sixteen streams have a full first window in flight.
	defaultConnWindow = 1 << 20
	// initialWindow is every window before SETTINGS (RFC 9113, 6.9.2); as our
	// default it needs no announcement.
	initialWindow = 1<<16 - 1
	// defaultMaxStreamWindow fills 2 Gbit/s at a round trip of 1 ms.
	defaultMaxStreamWindow = 256 << 10
	// defaultResetBurst and defaultResetRate pass a page that is navigated
	// away from and stop a rapid reset (CVE-2023-44487).
	defaultResetBurst, defaultResetRate = 1000, 33
	// defaultResetTime is below the deadlines that callers set and leaves one
	// connection with defaultMaxStreams 10,000 uncounted resets a second, which
	// cost some percent of a CPU.
	defaultResetTime = 100 * time.Millisecond
	// defaultOverheadBurst and defaultOverheadRate pass every keepalive and
	// stop floods within a fraction of a second.
	defaultOverheadBurst, defaultOverheadRate = 10000, 330
	// defaultEmptyData tolerates senders that flush without content.
	defaultEmptyData = 100
	// defaultGlitches and defaultGlitchRate forgive 33 mistakes, or 330 frames
	// without a use, in each second for ever: more than a sound peer makes
	// by races, and a flood has used them up in less than a second.
	defaultGlitches, defaultGlitchRate = 10000, 330
	// defaultReplies bounds what is queued for a peer that does not read to
	// 17 KB (CVE-2019-9512, CVE-2019-9515).
	defaultReplies = 1000
	// defaultBacklog is room for a head of 4 KiB on each of defaultMaxStreams.
	defaultBacklog = 4 << 20
	// defaultUnreadRequests is above what clients have in flight and bounds
	// the heads of replies nobody reads to some 100 KB.
	defaultUnreadRequests = 128
	// defaultSettingsEntries is four times the settings that exist.
	defaultSettingsEntries = 32
	// defaultPatience is far above any round trip and short enough that slow
	// peers cannot collect connections.
	defaultPatience = 10 * time.Second
	// defaultDrainTime is above a round trip; a peer that is slower loses
	// nothing, its late streams are refused and can be retried.
	defaultDrainTime = time.Second
	// defaultLingerTime is above a round trip, so that a request that was all
	// on its way needs no reset.
	defaultLingerTime = 500 * time.Millisecond
	// defaultStallTime is what exchanges without progress are given.
	defaultStallTime = 5 * time.Minute
)

// DefaultLimits returns the defaults.
func DefaultLimits() Limits {
	return Limits{
		MaxStreams:      defaultMaxStreams,
		HeaderList:      defaultHeaderList,
		HeaderFields:    defaultHeaderFields,
		Continuations:   defaultContinuations,
		Informational:   defaultInformational,
		ConnWindow:      defaultConnWindow,
		StreamWindow:    initialWindow,
		MaxStreamWindow: defaultMaxStreamWindow,
		ResetBurst:      defaultResetBurst,
		ResetRate:       defaultResetRate,
		ResetTime:       defaultResetTime,
		OverheadBurst:   defaultOverheadBurst,
		OverheadRate:    defaultOverheadRate,
		EmptyData:       defaultEmptyData,
		Glitches:        defaultGlitches,
		GlitchRate:      defaultGlitchRate,
		Replies:         defaultReplies,
		Backlog:         defaultBacklog,
		UnreadRequests:  defaultUnreadRequests,
		SettingsEntries: defaultSettingsEntries,
		SetupTime:       defaultPatience,
		AckTime:         defaultPatience,
		BlockTime:       defaultPatience,
		DrainTime:       defaultDrainTime,
		LingerTime:      defaultLingerTime,
		StallTime:       defaultStallTime,
	}
}
