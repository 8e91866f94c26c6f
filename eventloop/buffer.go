// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"math/bits"

	"github.com/valyala/bytebufferpool"
)

const (
	// bufferMin is the smallest buffer, a few small frames; bufferClasses of
	// doubling sizes reach to twice what a turn appends.
	bufferMin     = 1 << 10
	bufferClasses = 10
	// bufferKept is how many bytes of each class a loop keeps for reuse: twice
	// what a turn appends before it flushes, so that turns in a row allocate
	// nothing.
	bufferKept = 2 * turnOutput
)

// buffers is a loop's buffers for input and output that wait, by their size. They
// belong to one loop, so taking one costs neither an atomic nor, as a pool that
// the collector empties would, an allocation now and then.
type buffers [bufferClasses][]*bytebufferpool.ByteBuffer

// classOf is the class whose buffers hold n bytes; bufferClasses where none does.
func classOf(n int) int {
	return min(bits.Len(uint(max(n-1, 0)/bufferMin)), bufferClasses)
}

// get returns an empty buffer with room for n bytes.
func (b *buffers) get(n int) *bytebufferpool.ByteBuffer {
	class := classOf(n)
	if class == bufferClasses {
		return &bytebufferpool.ByteBuffer{B: make([]byte, 0, n)}
	}
	free := b[class]
	if len(free) == 0 {
		return &bytebufferpool.ByteBuffer{B: make([]byte, 0, bufferMin<<class)}
	}
	last := free[len(free)-1]
	b[class] = free[:len(free)-1]
	return last
}

// put takes a buffer back. One that a stuck peer made grow beyond all classes, or
// that is one too many, is left to the collector.
func (b *buffers) put(buf *bytebufferpool.ByteBuffer) {
	class := classOf(cap(buf.B))
	if class == bufferClasses || len(b[class]) >= bufferKept>>class/bufferMin {
		return
	}
	buf.B = buf.B[:0]
	b[class] = append(b[class], buf)
}

// grow returns a buffer with what buf has, which it takes back, and room for n
// bytes more.
func (b *buffers) grow(buf *bytebufferpool.ByteBuffer, n int) *bytebufferpool.ByteBuffer {
	larger := b.get(max(len(buf.B)+n, 2*cap(buf.B)))
	larger.B = append(larger.B, buf.B...)
	b.put(buf)
	return larger
}

// add appends p to buf, which is nil for a new one.
func (b *buffers) add(buf *bytebufferpool.ByteBuffer, p []byte) *bytebufferpool.ByteBuffer {
	if buf == nil {
		buf = b.get(len(p))
	} else if cap(buf.B)-len(buf.B) < len(p) {
		buf = b.grow(buf, len(p))
	}
	buf.B = append(buf.B, p...)
	return buf
}
