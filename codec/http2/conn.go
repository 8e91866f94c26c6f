// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// phase is what the input is in the middle of.
type phase uint8

const (
	phasePreface phase = iota
	phaseHead
	// phaseBegin has a whole frame head that has not been acted upon.
	phaseBegin
	// phaseGather collects a payload.
	phaseGather
	// phaseData passes on the payload of DATA.
	phaseData
	// phaseSkip drops the payload of an unknown type.
	phaseSkip
)

// conn is what both roles of a session share.
type conn struct {
	sink   codec.Sink
	owner  codec.Owner
	mem    *codec.Memory
	shared *shared
	limits *Limits
	// accept is nil in the client role.
	accept codec.Acceptor
	// mistake is the reason that receivers get for an error of the peer.
	mistake codec.Reason

	// busy is the depth of calls that may run callbacks. Streams that end
	// meanwhile are kept in retired, not reused.
	busy    int
	retired *stream
	// dead: Shut has been asked for. Input is ignored, nothing is written.
	dead bool
	// now is the loop's time as last told; clocked that it was told at all.
	now     int64
	clocked bool
	alarms  [alarmCount]int64

	phase    phase
	gotHead  uint8 // bytes in head, or matched of the preface
	head     [headSize]byte
	frame    frameHead
	gathered *codec.Buffer
	skip     int // bytes of an unknown frame to drop
	// fault is the word for what is wrong with the frame being read, until the
	// owner has been shown it.
	fault string
	data  incoming
	block block
	// paused: reading stopped because the sink is full; starved: because the
	// loop gathers too much.
	paused, starved bool

	table table
	queue queue
	past  [endingCount]past
	// maxID is the highest stream id opened by the client; ignored the
	// highest above it that a server refused to look at while draining.
	maxID, ignored uint32

	dec *hpack.Decoder
	enc *hpack.Encoder
	// decoded and encoded are nil until a block came that may come again.
	decoded *decoded
	encoded *encoded

	in  inflow
	out outflow
	// recvInitial and sendInitial are the windows of new streams.
	recvInitial int
	sendInitial int32
	// settled: the peer's first SETTINGS came; acked: it has taken ours.
	settled, acked bool
	// maxStreams is the peer's MAX_CONCURRENT_STREAMS.
	maxStreams uint32
	// peerConnect: the peer takes extended CONNECT; deferring: some wait to
	// learn it.
	peerConnect, deferring bool

	// probes is how many of our PINGs have no answer yet.
	probes int

	drain drain
	// farewell is the last id of the peer's latest GOAWAY.
	farewell uint32
	// parting is the code that a drain's GOAWAY carries.
	parting code
	// peerClosed: the peer has finished sending.
	peerClosed bool

	resets, anomalies, glitches rate
	// suspect: the client was one when its last header block began; ahead is
	// then the input behind the frame that is being read.
	suspect bool
	ahead   []byte

	slack          int
	replies, empty int
	// unread is the number of requests taken since the client stopped reading.
	unread int
}

func (c *conn) init(sink codec.Sink, owner codec.Owner, mem *codec.Memory, l *Limits) {
	c.sink, c.owner, c.mem, c.limits = sink, owner, mem, l
	c.shared = sharedOf(mem)
	c.dec, c.enc = hpack.NewDecoder(hpackTable), hpack.NewEncoder()
	c.in = newInflow(initialWindow)
	c.out = outflow{avail: initialWindow}
	c.recvInitial, c.sendInitial = initialWindow, initialWindow
	c.farewell = maxStreamID
	c.earn(slackMax)
}

// hpackTable is the decoder's table: the default of SETTINGS_HEADER_TABLE_SIZE,
// which needs no announcement.
const hpackTable = 4096

func (c *conn) isServer() bool { return c.accept != nil }

// enter begins a call that may run callbacks.
func (c *conn) enter() { c.busy++ }

// leave ends it: streams that ended meanwhile may be reused from now on, and
// the session may be done, now that all receivers have been told.
func (c *conn) leave() {
	c.busy--
	if c.busy > 0 {
		return
	}
	for c.retired != nil {
		s := c.retired
		c.retired = s.next
		c.shared.recycle(s)
	}
	c.checkDrained()
}

// Feed implements codec.Session.
func (c *conn) Feed(b []byte, now int64) int {
	c.enter()
	c.clock(now)
	wasPaused := c.paused
	n := c.take(b)
	if c.dead {
		if c.fault != "" {
			c.show(b[n:], 0)
		}
		n = len(b)
		c.dropInput()
	}
	c.watchBlock()
	c.leave()
	c.resume(wasPaused)
	return n
}

// resume reads on if the call has ended the pause.
func (c *conn) resume(wasPaused bool) {
	if wasPaused && !c.paused && !c.starved && !c.dead {
		c.sink.ResumeRead()
	}
}

// take parses b as far as it can and returns how much that was.
func (c *conn) take(b []byte) int {
	taken := 0
	for more := true; more && !c.dead; {
		var n int
		n, more = c.step(b[taken:])
		taken += n
	}
	return taken
}

// step takes the next part of the input. more is false when it needs input
// beyond b, or must not take any now.
func (c *conn) step(b []byte) (n int, more bool) {
	switch c.phase {
	case phasePreface:
		return c.readPreface(b)
	case phaseHead:
		return c.readHead(b)
	case phaseBegin:
		if c.mustWait() {
			return 0, false
		}
		c.begin()
		return 0, true
	case phaseGather:
		return c.gather(b)
	case phaseData:
		return c.readData(b)
	case phaseSkip:
		n = min(c.skip, len(b))
		c.skip -= n
		if c.skip > 0 {
			return n, false
		}
		c.phase = phaseHead
		return n, true
	}
	return len(b), false
}

// readHead collects the nine bytes that begin a frame.
func (c *conn) readHead(b []byte) (n int, more bool) {
	if c.gotHead == 0 && len(b) >= headSize {
		c.frame, n = parseHead(b), headSize
	} else {
		n = copy(c.head[c.gotHead:], b)
		c.gotHead += uint8(n)
		if c.gotHead < headSize {
			return n, false
		}
		c.frame = parseHead(c.head[:])
	}
	c.gotHead = 0
	c.phase = phaseBegin
	return n, true
}

// mustWait tells that a new request must wait until the client has read
// replies, and stops reading. Otherwise the replies to a client that never reads
// would pile up however small they are. Some requests are taken each time, so
// that one long reply does not keep all others waiting.
func (c *conn) mustWait() bool {
	c.paused = false
	if !c.isServer() || c.frame.kind != frameHeaders || c.frame.id <= c.maxID {
		return false
	}
	if c.sink.Blocked() {
		c.unread++
		c.paused = c.unread > c.limits.UnreadRequests
	}
	if c.paused || c.suspectMustWait() {
		c.paused = true
		c.sink.PauseRead()
	}
	return c.paused
}

// begin checks a frame by its head and decides how its payload is taken.
func (c *conn) begin() {
	f := c.frame
	switch {
	case f.length > maxFrameSize:
		c.fail(codeFrameSizeError, "frame_too_large")
	case !c.settled && (f.kind != frameSettings || f.has(flagAck)):
		// RFC 9113, 3.4
		c.fail(codeProtocolError, "settings_not_first")
	case c.block.open && (f.kind != frameContinuation || f.id != c.block.id):
		// RFC 9113, 6.10
		c.fail(codeProtocolError, "continuation_missing")
	case !c.block.open && f.kind == frameContinuation:
		c.fail(codeProtocolError, "continuation_unexpected")
	case f.kind >= frameTypeCount:
		if c.overhead(1, "unknown_frame_flood") {
			c.phase, c.skip = phaseSkip, f.length
		}
	case f.kind == frameData:
		c.beginData()
	default:
		c.beginGathered()
	}
}

func (c *conn) beginGathered() {
	f, r := c.frame, &readers[c.frame.kind]
	switch {
	case !r.either && r.streamless != (f.id == 0):
		c.fail(codeProtocolError, "stream_id_misplaced")
	case f.length < r.least || f.length > r.most:
		c.fail(codeFrameSizeError, "frame_size")
	default:
		c.phase = phaseGather
	}
}

// gather hands the payload to its reader: straight from b if it is all there.
func (c *conn) gather(b []byte) (n int, more bool) {
	read, length := readers[c.frame.kind].read, c.frame.length
	if c.gathered == nil {
		if len(b) >= length {
			c.phase = phaseHead
			c.lookAhead(b[length:])
			read(c, b[:length])
			if c.fault != "" {
				c.show(b[:length], headSize)
			}
			return length, true
		}
		if len(b) == 0 {
			return 0, false
		}
		c.gathered = c.mem.Get()
	}
	n = min(length-len(c.gathered.B), len(b))
	c.gathered.B = append(c.gathered.B, b[:n]...)
	within := c.mem.Charge(codec.Gather, n)
	if len(c.gathered.B) < length {
		if !within {
			c.starve()
		}
		return n, false
	}
	c.phase = phaseHead
	whole := c.gathered
	c.gathered = nil
	c.lookAhead(b[n:])
	read(c, whole.B)
	if c.fault != "" {
		c.show(whole.B, headSize)
	}
	c.release(whole)
	return n, true
}

// release gives back a buffer of gathered bytes.
func (c *conn) release(b *codec.Buffer) {
	if b != nil {
		c.mem.Release(codec.Gather, len(b.B))
		c.mem.Put(b)
	}
}

// dropInput releases what was gathered of input that is of no use any more.
func (c *conn) dropInput() {
	c.release(c.gathered)
	c.release(c.block.buffer)
	c.gathered, c.block = nil, block{}
}

// Writable implements codec.Session.
func (c *conn) Writable() {
	c.enter()
	c.replies, c.unread = 0, 0
	c.flush()
	wasPaused := c.paused
	if wasPaused {
		// The frame that had to wait may have no payload to come.
		c.take(nil)
	}
	if c.dead {
		c.dropInput()
	}
	c.leave()
	c.resume(wasPaused)
}

// Active implements codec.Session.
func (c *conn) Active() int { return c.table.count }

// Close implements codec.Session.
func (c *conn) Close(r codec.Reason) {
	c.enter()
	c.dead = true
	c.dropInput()
	for _, s := range c.table.all() {
		c.lose(s, r)
	}
	c.dropMemo()
	c.leave()
}

// lose ends a stream without telling the peer. s may have ended meanwhile.
func (c *conn) lose(s *stream, r codec.Reason) {
	if s.state == stateClosed {
		return
	}
	receiver := s.receiver
	c.finish(s, endedByPeer)
	if receiver != nil {
		receiver.OnReset(r)
	}
}

// fail ends the connection for a mistake of the peer (RFC 9113, 5.4.1).
func (c *conn) fail(e code, word string) {
	c.blame(word)
	c.failFor(e, c.mistake, word)
}

// calm ends the connection of a peer that asks too much.
func (c *conn) calm(word string) { c.failFor(codeEnhanceYourCalm, codec.Calm, word) }

func (c *conn) failFor(e code, r codec.Reason, word string) {
	if c.dead {
		return
	}
	c.owner.Glitch(word)
	c.writeGoAway(c.lastID(), e)
	c.dead = true
	c.owner.Shut(r)
}

// isIdle tells that no stream of this id was ever opened (RFC 9113, 5.1.1).
func (c *conn) isIdle(id uint32) bool {
	return id&1 == 0 || id > max(c.maxID, c.ignored)
}

// endedAs tells how the stream of id ended; known is false if that has been
// forgotten.
func (c *conn) endedAs(id uint32) (how ending, known bool) {
	for how := range endingCount {
		if c.past[how].has(id) {
			return how, true
		}
	}
	return 0, false
}

// wasSkipped tells that id was passed over by a higher one rather than used.
func (c *conn) wasSkipped(id uint32) bool {
	for how := range c.past {
		if id <= c.past[how].lost {
			return false
		}
	}
	_, known := c.endedAs(id)
	return !known
}

// late answers HEADERS or DATA on a stream that is not in the table and not
// idle (RFC 9113, 5.1).
func (c *conn) late(id uint32) {
	how, known := c.endedAs(id)
	switch {
	case id > c.maxID:
		// Above the last id of our GOAWAY.
		c.overhead(1, "frame_after_goaway")
	case known && how == endedByUs:
		c.lateFrame()
	case known && how == endedBoth:
		c.fail(codeStreamClosed, "frame_after_end")
	case !known && c.frame.kind != frameData && c.wasSkipped(id):
		// RFC 9113, 5.1.1: ids only increase.
		c.fail(codeProtocolError, "stream_id_decreases")
	case !known:
		// Of so many streams the last resets are not remembered.
		if c.lateFrame() && c.countReply("reset_flood") {
			c.writeRSTStream(id, codeStreamClosed)
		}
	default:
		c.refuse(id, codeStreamClosed, "frame_after_reset")
	}
}

// lateFrame charges a frame of a peer that has not seen our RST_STREAM yet. The
// body that it had under way costs it more than us.
func (c *conn) lateFrame() bool {
	if c.frame.kind == frameData && c.frame.length >= largeData {
		return true
	}
	return c.overhead(1, "frame_after_reset")
}
