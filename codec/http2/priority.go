// SPDX-License-Identifier: Apache-2.0

package http2

import "encoding/binary"

// prioritySize is the size of the deprecated priority fields.
const prioritySize = 5

// dependsOnItself tells that priority fields make a stream its own parent,
// which RFC 7540, 5.3.1 forbids. The fields are otherwise ignored (RFC 9113,
// 5.3.2).
func dependsOnItself(p []byte, id uint32) bool {
	return binary.BigEndian.Uint32(p)&maxStreamID == id
}

// readPriority is PRIORITY (RFC 9113, 6.3).
func (c *conn) readPriority(p []byte) {
	switch {
	case len(p) != prioritySize:
		c.priorityError(codeFrameSizeError, "priority_size")
	case dependsOnItself(p, c.frame.id):
		c.priorityError(codeProtocolError, "priority_self")
	default:
		c.overhead(1, "priority_flood")
	}
}

// priorityError is a stream error where there is a stream to reset: PRIORITY
// may come in any state, but an idle stream must not be reset. Of one that has
// ended only a frame that is broken matters.
func (c *conn) priorityError(e code, word string) {
	id := c.frame.id
	s := c.table.get(id)
	switch {
	case s != nil:
		c.streamError(s, e, word)
	case c.isIdle(id) || e == codeFrameSizeError:
		c.fail(e, word)
	default:
		c.overhead(1, word)
	}
}
