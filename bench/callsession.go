// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"slices"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
)

var (
	_ codec.Owner    = (*call)(nil)
	_ codec.Receiver = (*call)(nil)
	_ codec.Sink     = callSink{}
)

// Shut implements codec.Owner.
func (c *call) Shut(r codec.Reason) {
	c.shut = true
	if c.reason == codec.ReasonNone {
		c.reason = r
	}
}

// Released, TickIn and Glitch implement codec.Owner. A call ends by its
// deadline at the latest, so it needs no timers.
func (c *call) Released()            {}
func (c *call) TickIn(time.Duration) {}
func (c *call) Glitch(string)        {}

// OnHeaders implements codec.Receiver.
func (c *call) OnHeaders(h codec.Head, body []byte, end bool) {
	c.reply.Head = h.Copy(&c.arena).(*bolt.Head)
	c.OnData(body, end)
}

// OnData implements codec.Receiver.
func (c *call) OnData(b []byte, end bool) {
	c.reply.Content = append(c.reply.Content, b...)
	if end {
		c.done = true
		return
	}
	c.stream.Consumed(len(b))
}

// OnTrailers implements codec.Receiver: the reply's checksum was wrong.
func (c *call) OnTrailers(codec.Head) { c.OnReset(codec.UpstreamProtocolError) }

// OnReset implements codec.Receiver.
func (c *call) OnReset(r codec.Reason) { c.done, c.reason = true, r }

// OnWritable implements codec.Receiver.
func (c *call) OnWritable() {}

// callSink gathers what the session sends.
type callSink struct{ c *call }

func (s callSink) Append(b []byte)       { s.c.out = append(s.c.out, b...) }
func (s callSink) WriteThrough(b []byte) { s.Append(b) }
func (s callSink) Buffered() int         { return 0 }
func (s callSink) Blocked() bool         { return false }
func (s callSink) PauseRead()            {}
func (s callSink) ResumeRead()           {}

func (s callSink) Extend(n int) []byte {
	start := len(s.c.out)
	s.c.out = slices.Grow(s.c.out, n)[:start+n]
	return s.c.out[start:]
}
