// SPDX-License-Identifier: Apache-2.0

package http2

import "encoding/binary"

// frameType is the type octet of a frame (RFC 9113, 6).
type frameType uint8

const (
	frameData frameType = iota
	frameHeaders
	framePriority
	frameRSTStream
	frameSettings
	framePushPromise
	framePing
	frameGoAway
	frameWindowUpdate
	frameContinuation
	// frameTypeCount is the first type that RFC 9113 does not define.
	frameTypeCount
)

// Flags. ACK and END_STREAM share a bit and belong to different types.
const (
	flagAck        uint8 = 0x01
	flagEndStream  uint8 = 0x01
	flagEndHeaders uint8 = 0x04
	flagPadded     uint8 = 0x08
	flagPriority   uint8 = 0x20
)

const (
	// headSize is the size of what begins each frame.
	headSize = 9
	// maxFrameSize bounds payloads both ways. It is the least that
	// SETTINGS_MAX_FRAME_SIZE allows, so every peer takes it, and a stream
	// never holds the connection for longer than 16 KiB.
	maxFrameSize = 1 << 14
	// maxStreamID is the largest 31-bit number.
	maxStreamID = 1<<31 - 1
)

// Preface is what a client sends first (RFC 9113, 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// frameHead is the beginning of a frame.
type frameHead struct {
	length int
	id     uint32
	kind   frameType
	flags  uint8
}

func (f frameHead) has(flag uint8) bool { return f.flags&flag != 0 }

// parseHead reads a frame head; b has at least headSize bytes. The reserved bit
// of the stream id is ignored (RFC 9113, 4.1).
func parseHead(b []byte) frameHead {
	_ = b[headSize-1]
	return frameHead{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		kind:   frameType(b[3]),
		flags:  b[4],
		id:     binary.BigEndian.Uint32(b[5:]) & maxStreamID,
	}
}

// put writes the head to b, which has at least headSize bytes.
func (f frameHead) put(b []byte) {
	_ = b[headSize-1]
	b[0], b[1], b[2] = byte(f.length>>16), byte(f.length>>8), byte(f.length)
	b[3], b[4] = byte(f.kind), f.flags
	binary.BigEndian.PutUint32(b[5:], f.id)
}

// reader is how frames of one type are taken once their payload is complete.
type reader struct {
	read func(c *conn, payload []byte)
	// least and most bound the payload; outside is FRAME_SIZE_ERROR.
	least, most int
	// streamless frames belong to the connection: id 0. Others must not.
	streamless, either bool
}

// readers is indexed by frame type. DATA is not in it: its payload is delivered
// as it arrives (data.go).
var readers = [frameTypeCount]reader{
	frameHeaders:      {read: (*conn).readHeaders, most: maxFrameSize},
	framePriority:     {read: (*conn).readPriority, most: maxFrameSize},
	frameRSTStream:    {read: (*conn).readRSTStream, least: resetSize, most: resetSize},
	frameSettings:     {read: (*conn).readSettings, most: maxFrameSize, streamless: true},
	framePushPromise:  {read: (*conn).readPushPromise, most: maxFrameSize},
	framePing:         {read: (*conn).readPing, least: 8, most: 8, streamless: true},
	frameGoAway:       {read: (*conn).readGoAway, least: 8, most: maxFrameSize, streamless: true},
	frameWindowUpdate: {read: (*conn).readWindowUpdate, least: 4, most: 4, either: true},
	frameContinuation: {read: (*conn).readContinuation, most: maxFrameSize},
}

// writeFrame appends a frame of length bytes to the sink and returns its
// payload, to be filled in before the next call on the sink.
func (c *conn) writeFrame(kind frameType, flags uint8, id uint32, length int) []byte {
	b := c.sink.Extend(headSize + length)
	frameHead{length: length, kind: kind, flags: flags, id: id}.put(b)
	return b[headSize:]
}
