// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"math"
	"time"
)

// Limits bound what a peer can make a session hold or do. They are shared by
// sessions and read only; start from DefaultLimits.
type Limits struct {
	// WholeFrame is the size up to which a frame is delivered in one piece.
	WholeFrame int
	// MaxFrame is the largest frame taken, and by a server session also given.
	MaxFrame int64
	// MaxInFlight is the number of requests in progress at which a server
	// session stops reading; it reads on when half of them are done.
	MaxInFlight int
	// MaxStreams is the number of streams that a client session opens.
	MaxStreams int
	// MaxUnsent is the number of reply bytes, waiting for the peer to read or
	// for a large reply to end, at which the connection is shut.
	MaxUnsent int
	// StreamWindow is the number of content bytes of large frames that may be
	// delivered and not yet given back by Consumed; beyond it the session does
	// not read.
	StreamWindow int
	// HeartbeatBurst and HeartbeatEvery limit how many heartbeats are
	// answered: so many at once, and one more each HeartbeatEvery.
	HeartbeatBurst int
	HeartbeatEvery time.Duration
	// HeadTimeout is how long a frame that is being gathered may stay
	// incomplete.
	HeadTimeout time.Duration
	// StallTimeout is how long the receiver of a large reply may keep a
	// client session from reading while other streams wait behind it.
	StallTimeout time.Duration
	// SendGoAway makes Drain of a server session announce itself by a GoAway
	// frame. Only some clients know it; others log an unknown command.
	SendGoAway bool
	// GoAwayGrace is how long requests are still served after it, which the
	// client sent before it read it.
	GoAwayGrace time.Duration
}

// The defaults of Limits.
const (
	// defaultWholeFrame keeps the common call on the shared connection and its
	// copy, when it is split over reads, within one read buffer.
	defaultWholeFrame = 64 << 10
	// defaultMaxFrame admits every frame whose lengths are legal.
	defaultMaxFrame = math.MaxInt64
	// defaultMaxInFlight is far over what a pool of client threads has open
	// and bounds the streams one connection costs to about 150 KB.
	defaultMaxInFlight = 1024
	// defaultMaxStreams bounds the id table of an upstream connection to 1 MiB.
	defaultMaxStreams = 64 << 10
	// defaultMaxUnsent holds a client that has stopped reading to 1 MiB.
	defaultMaxUnsent = 1 << 20
	// defaultStreamWindow is HTTP/2's initial window, so that both protocols
	// hold as much of a body.
	defaultStreamWindow = 64 << 10
	// defaultHeartbeatBurst lets a client catch up after a pause; Java clients
	// send one heartbeat in 15 s.
	defaultHeartbeatBurst = 100
	// defaultHeartbeatEvery answers 100 heartbeats per second, some thousand
	// times what clients send.
	defaultHeartbeatEvery = 10 * time.Millisecond
	// defaultHeadTimeout is well over the worst retransmission of a lost
	// segment and ends connections that dribble bytes.
	defaultHeadTimeout = 10 * time.Second
	// defaultStallTimeout is a fraction of the timeouts that the waiting
	// requests commonly have.
	defaultStallTimeout = time.Second
	// defaultGoAwayGrace is HTTP/2's round trip and a client's scheduling.
	defaultGoAwayGrace = time.Second
)

// The limits that are not configurable.
const (
	// maxClass is what Java peers read: the length is a signed short to them,
	// and a larger one would make them drop a shared connection.
	maxClass = math.MaxInt16
	// maxMap is all that the length field can say.
	maxMap = math.MaxUint16
	// maxContent is where the content length turns negative for Java peers.
	maxContent = math.MaxInt32
	// maxBeats is the number of heartbeats without an answer that are
	// remembered; every keepalive policy gives up earlier.
	maxBeats = 8
	// gatherRetry is how soon a connection that waits for the loop's gather
	// budget looks again.
	gatherRetry = 20 * time.Millisecond
	// throughMin is the content size from which a whole frame is written from
	// where it lies; below it, copying is cheaper than a write of its own.
	throughMin = 32 << 10
)

// DefaultLimits returns the limits that hold where none are configured.
func DefaultLimits() Limits {
	return Limits{
		WholeFrame:     defaultWholeFrame,
		MaxFrame:       defaultMaxFrame,
		MaxInFlight:    defaultMaxInFlight,
		MaxStreams:     defaultMaxStreams,
		MaxUnsent:      defaultMaxUnsent,
		StreamWindow:   defaultStreamWindow,
		HeartbeatBurst: defaultHeartbeatBurst,
		HeartbeatEvery: defaultHeartbeatEvery,
		HeadTimeout:    defaultHeadTimeout,
		StallTimeout:   defaultStallTimeout,
		GoAwayGrace:    defaultGoAwayGrace,
	}
}
