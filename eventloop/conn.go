// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"net"

	"github.com/panjf2000/gnet/v2"
	"github.com/valyala/bytebufferpool"
	"golang.org/x/sys/unix"
)

// Handler is what a connection reports to. All its methods are called on the
// connection's loop, never from within a method of a Conn. A panic in one of
// them ends the connection with CausePanic.
type Handler interface {
	// OnData hands over bytes that arrived; b is valid until the return. It
	// returns how many it consumed: all of them, unless it called PauseRead,
	// Close or Abort. After a pause the rest is kept and offered again, with
	// what arrived since behind it, after ResumeRead.
	OnData(c *Conn, b []byte) int
	// OnWritable tells that a connection that was Blocked no longer is.
	OnWritable(c *Conn)
	// OnPeerClosed tells that the peer has finished sending and that all it
	// sent was delivered. Writing still works until Close or Abort, which the
	// handler must call sooner or later.
	OnPeerClosed(c *Conn)
	// OnClose is the last call, and comes exactly once.
	OnClose(c *Conn, cause Cause)
}

// LeaveHandler is a Handler that wants to know early of a peer that has finished
// sending while reading is paused.
type LeaveHandler interface {
	// OnPeerLeft tells that no more than unread bytes will come before
	// OnPeerClosed. Reading is still paused. It comes once per pause at
	// most; for Unix sockets only when the FIN itself was read already.
	OnPeerLeft(c *Conn, unread int)
}

const (
	// HighWatermark is how much the kernel may refuse before a connection is
	// Blocked. Its socket is full then and keeps the peer busy meanwhile, so
	// that more would only be memory: with a read on top, it is what each stuck
	// peer costs.
	HighWatermark = 32 << 10
	// LowWatermark is where a Blocked connection becomes writable again: early
	// enough that the socket is still nearly full.
	LowWatermark = 8 << 10
)

// Conn is a connection of one loop. Its methods may only be called on that
// loop. Once Close or Abort was called, or the connection has ended, those that
// write or pause do nothing.
type Conn struct {
	loop    *Loop
	handler Handler
	// gc is set while gnet reads from the connection. After the peer's FIN gnet
	// closes its descriptor; a connection that lives on has a duplicate, which
	// the loop's watcher has instead (owned).
	gc gnet.Conn
	fd int
	id uint64

	out  *bytebufferpool.ByteBuffer // appended and not yet taken; nil when empty
	sent int                        // prefix of out that the kernel took
	in   *bytebufferpool.ByteBuffer // kept for a paused handler; nil when empty
	read int                        // prefix of in that the handler consumed
	high int
	low  int

	usual   uint8 // the class of buffers that held what was sent last
	phase   phase
	cause   Cause // why it ended, or is about to
	notices noticeSet
	flags
	err      error
	tls      *wire  // nil in plain text, and once the connection has ended
	hello    *Hello // nil in plain text
	notice   Task
	timer    *Timer // of a closing, lingering or broken connection; else nil
	listener *Listener
	local    net.Addr
	remote   net.Addr
}

// phase is how far a connection is on its way to the end.
type phase uint8

const (
	phaseOpen      phase = iota
	phaseClosing         // Close was called and output is left
	phaseLingering       // our FIN was sent; waiting for the peer's
	phaseEnded
)

// flags are what may hold in any phase.
type flags struct {
	dirty    bool // in the loop's list of connections to flush
	paused   bool // the handler wants no input
	muted    bool // gnet was told so
	waiting  bool // the kernel refused bytes; the watcher tells when it takes more
	blocked  bool // over the high watermark since, and not yet at the low one
	progress bool // bytes were taken since the closing timer looked
	finSeen  bool // the peer's FIN has arrived
	finHeld  bool // and the handler, which is paused, has not been told
	left     bool // the peer's FIN has arrived behind what was not read
	owned    bool // gnet has let go; fd is ours
	watched  bool // fd is in the watcher's set
	broken   bool // a write failed; what the peer sent before is still read
	unix     bool
	frozen   bool // not read, whatever the handler says
	held     bool // what the handler has said meanwhile: PauseRead
}

// Loop is the loop that owns the connection.
func (c *Conn) Loop() *Loop { return c.loop }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// LocalAddr is our address: the one that the peer connected to, even where the
// listener has a wildcard.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// Err is the error behind the cause with which the connection ended, if there
// is one.
func (c *Conn) Err() error { return c.err }

// Closed tells that Close or Abort was called or the connection has ended.
func (c *Conn) Closed() bool { return c.phase != phaseOpen }

// SetWatermarks replaces HighWatermark and LowWatermark for this connection.
// high is at least 1, and low less than high.
func (c *Conn) SetWatermarks(high, low int) {
	c.high = max(high, 1)
	c.low = min(max(low, 0), c.high-1)
}

// noticeSet is what a connection has to tell its handler once the running
// callback has returned.
type noticeSet uint8

const (
	noticeWritable noticeSet = 1 << iota
	noticeInput              // kept bytes, or a held FIN
	noticeLeft
	noticeEnd
)

func (c *Conn) notify(n noticeSet) {
	c.notices |= n
	c.loop.Queue(&c.notice)
}

// connNotice is a Conn in its role as the Runner of its own notices.
type connNotice Conn

// Run delivers the notices, each only if it still holds.
func (n *connNotice) Run() {
	c := (*Conn)(n)
	set := c.notices
	c.notices = 0
	if set&noticeEnd != 0 {
		c.finish()
		return
	}
	if set&noticeWritable != 0 && c.writable() && !c.blocked {
		c.callWritable()
	}
	if set&noticeLeft != 0 && c.phase == phaseOpen && c.paused {
		c.callPeerLeft()
	}
	if set&noticeInput != 0 && c.phase == phaseOpen && !c.paused {
		c.offerKept()
	}
}

func (c *Conn) callWritable() {
	defer c.loop.rescue("OnWritable", c)
	c.handler.OnWritable(c)
}

// callPeerLeft counts what was not read; the FIN is behind it.
func (c *Conn) callPeerLeft() {
	defer c.loop.rescue("OnPeerLeft", c)
	unread, err := unix.IoctlGetInt(c.fd, unix.SIOCINQ)
	if err != nil {
		return // the end of the connection is on its way
	}
	if c.in != nil {
		unread += len(c.in.B) - c.read
	}
	c.handler.(LeaveHandler).OnPeerLeft(c, unread)
}

func (c *Conn) callPeerClosed() {
	defer c.loop.rescue("OnPeerClosed", c)
	c.handler.OnPeerClosed(c)
}

func (c *Conn) callClose() {
	defer c.loop.rescue("OnClose", nil)
	c.handler.OnClose(c, c.cause)
}

// markDirty puts the connection on the list of those that the turn's end
// flushes.
func (c *Conn) markDirty() {
	if !c.dirty {
		c.dirty = true
		c.loop.dirty = append(c.loop.dirty, c)
	}
}
