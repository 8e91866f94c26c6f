// SPDX-License-Identifier: Apache-2.0

package http2

import "github.com/sideloop/sideloop/codec"

// blame notes that something is wrong with the frame being read. It is shown to
// the owner where its payload is at hand, which it is not for DATA.
func (c *conn) blame(word string) {
	if c.dead {
		return
	}
	c.fault = word
	if c.phase == phaseData {
		c.show(nil, headSize)
	}
}

// show shows the owner the frame being read, as far as it is at hand: its head and
// what follows it. at is from where it is wrong.
func (c *conn) show(payload []byte, at int) {
	word := c.fault
	c.fault = ""
	w, ok := c.owner.(codec.Witness)
	if !ok {
		return
	}
	shown := c.mem.Get()
	defer c.mem.Put(shown)
	if c.phase == phasePreface {
		// What came instead tells who it is.
		shown.B = append(append(shown.B, Preface[:c.gotHead]...), payload...)
		for at = 0; shown.B[at] == Preface[at]; at++ {
		}
		w.Malformed(word, shown.B, at, len(Preface))
		return
	}
	var head [headSize]byte
	c.frame.put(head[:])
	shown.B = append(append(shown.B, head[:]...), payload[:min(len(payload), c.frame.length)]...)
	clear := headSize
	if at == headSize && !carries[c.frame.kind] {
		clear += len(payload)
	}
	w.Malformed(word, shown.B, at, clear)
}

// carries tells the types whose payloads are of the peers, not of the protocol.
var carries = [frameTypeCount]bool{
	frameData: true, frameHeaders: true, framePushPromise: true, frameContinuation: true,
	frameGoAway: true, // debug data
}
