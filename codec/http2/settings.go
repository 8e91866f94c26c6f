// SPDX-License-Identifier: Apache-2.0

package http2

import "encoding/binary"

// Settings (RFC 9113, 6.5.2).
const (
	settingHeaderTableSize   = 0x1
	settingEnablePush        = 0x2
	settingMaxStreams        = 0x3
	settingInitialWindowSize = 0x4
	settingMaxFrameSize      = 0x5
	settingMaxHeaderListSize = 0x6
	settingConnectProtocol   = 0x8 // RFC 8441, 3
)

// settingSize is the size of one entry.
const settingSize = 6

// maxFrameSizeLimit is the largest SETTINGS_MAX_FRAME_SIZE.
const maxFrameSizeLimit = 1<<24 - 1

// unlimitedStreams stands for an absent SETTINGS_MAX_CONCURRENT_STREAMS.
const unlimitedStreams = 1<<32 - 1

// writeSettings writes our SETTINGS, which take effect with their
// acknowledgement, and raises the connection's window.
func (c *conn) writeSettings() {
	var entries [5 * settingSize]byte
	b := entries[:0]
	if c.isServer() {
		b = appendSetting(b, settingMaxStreams, c.limits.MaxStreams)
		if c.limits.Connect {
			b = appendSetting(b, settingConnectProtocol, 1)
		}
	} else {
		b = appendSetting(b, settingEnablePush, 0)
	}
	b = appendSetting(b, settingMaxHeaderListSize, c.limits.HeaderList)
	if c.limits.StreamWindow != initialWindow {
		b = appendSetting(b, settingInitialWindowSize, c.limits.StreamWindow)
	}
	copy(c.writeFrame(frameSettings, 0, 0, len(b)), b)
	if more := c.limits.ConnWindow - initialWindow; more > 0 {
		c.in.resize(more)
		c.writeWindowUpdate(0, more)
	}
}

func appendSetting(b []byte, id uint16, value int) []byte {
	b = binary.BigEndian.AppendUint16(b, id)
	return binary.BigEndian.AppendUint32(b, uint32(value))
}

// readSettings is SETTINGS (RFC 9113, 6.5).
func (c *conn) readSettings(p []byte) {
	if c.frame.has(flagAck) {
		c.readSettingsAck(p)
		return
	}
	switch {
	case len(p)%settingSize != 0:
		c.fail(codeFrameSizeError, "settings_size")
		return
	case len(p)/settingSize > c.limits.SettingsEntries:
		c.calm("settings_entries")
		return
	}
	// A change of the initial window touches every stream.
	if c.settled && !c.overhead(1+c.table.count/64, "settings_flood") {
		return
	}
	first := !c.settled
	if first {
		c.maxStreams = unlimitedStreams
	}
	for ; len(p) > 0; p = p[settingSize:] {
		c.apply(binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:]))
		if c.dead {
			return
		}
	}
	c.settled = true
	c.clear(alarmSetup)
	if c.countReply("settings_flood") {
		c.writeFrame(frameSettings, flagAck, 0, 0)
	}
	if first && c.isServer() {
		c.set(alarmAck, c.limits.AckTime)
	}
	if first {
		c.settleTunnels()
	}
	c.flush()
}

// apply takes one setting of the peer. Unknown ones are ignored.
func (c *conn) apply(id uint16, value uint32) {
	switch id {
	case settingHeaderTableSize:
		c.enc.SetPeerTableSize(value)
	case settingEnablePush:
		// A server must not send 1 (RFC 9113, 6.5.2).
		if value > 1 || (value == 1 && !c.isServer()) {
			c.fail(codeProtocolError, "settings_enable_push")
		}
	case settingMaxStreams:
		more := value > c.maxStreams
		c.maxStreams = value
		if more {
			c.owner.Released()
		}
	case settingInitialWindowSize:
		c.applyInitialWindow(value)
	case settingMaxFrameSize:
		// We never send more than the least that is allowed.
		if value < maxFrameSize || value > maxFrameSizeLimit {
			c.fail(codeProtocolError, "settings_frame_size")
		}
	case settingConnectProtocol:
		// It must not be taken back (RFC 8441, 3).
		if value > 1 || (value == 0 && c.peerConnect) {
			c.fail(codeProtocolError, "settings_connect_protocol")
			return
		}
		c.peerConnect = value == 1
	}
}

// applyInitialWindow changes the send windows of all streams by the difference
// (RFC 9113, 6.9.2).
func (c *conn) applyInitialWindow(value uint32) {
	if value > maxWindow {
		c.fail(codeFlowControlError, "settings_window")
		return
	}
	change := int64(value) - int64(c.sendInitial)
	c.sendInitial = int32(value)
	for s := range c.table.each {
		if !s.out.add(change) {
			c.fail(codeFlowControlError, "settings_window_overflow")
			return
		}
		c.requeue(s)
	}
}

// requeue puts a stream back in line that may have waited for its own window.
func (c *conn) requeue(s *stream) {
	if s.held.left() > 0 && s.out.room() > 0 {
		c.enqueue(s)
	}
}

// readSettingsAck makes our settings those that the peer must keep to.
func (c *conn) readSettingsAck(p []byte) {
	switch {
	case len(p) > 0:
		c.fail(codeFrameSizeError, "settings_ack_size")
		return
	case c.acked:
		c.overhead(1, "settings_ack_unexpected")
		return
	}
	c.acked = true
	c.clear(alarmAck)
	change := c.limits.StreamWindow - initialWindow
	c.recvInitial = c.limits.StreamWindow
	if change == 0 {
		return
	}
	for s := range c.table.each {
		s.in.resize(change)
	}
}
