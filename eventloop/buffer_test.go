// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"bytes"
	"testing"

	"github.com/valyala/bytebufferpool"
)

// Every size gets room, and no buffer is kept that would be taken for a larger
// one.
func TestBufferSizes(t *testing.T) {
	var b buffers
	for _, n := range []int{0, 1, bufferMin - 1, bufferMin, bufferMin + 1, 3 << 10, connOutput, connOutput + 1, 128 << 10, 128<<10 + 1, 1 << 20} {
		for range 2 {
			buf := b.get(n)
			if cap(buf.B) < n || len(buf.B) != 0 {
				t.Fatalf("for %d bytes: %d of %d", n, len(buf.B), cap(buf.B))
			}
			buf.B = append(buf.B, make([]byte, n)...)
			b.put(buf)
		}
	}
	for class := range b {
		for _, buf := range b[class] {
			if cap(buf.B) < bufferMin<<class {
				t.Fatalf("%d bytes in the class of %d", cap(buf.B), bufferMin<<class)
			}
		}
	}
}

// What is kept is bounded, whatever was in use at once.
func TestBuffersKeptAreBounded(t *testing.T) {
	var b buffers
	for _, n := range []int{1, 10 << 10, connOutput} {
		used := make([]*bytebufferpool.ByteBuffer, 3000)
		for i := range used {
			used[i] = b.get(n)
		}
		for _, buf := range used {
			b.put(buf)
		}
	}
	for class := range b {
		if kept := len(b[class]) * (bufferMin << class); kept > bufferKept {
			t.Fatalf("%d bytes of class %d are kept", kept, class)
		}
	}
}

func TestBufferGrows(t *testing.T) {
	var b buffers
	buf := b.get(10)
	text := bytes.Repeat([]byte("0123456789"), 50)
	buf.B = append(buf.B, text...)
	if buf = b.grow(buf, 200<<10); !bytes.Equal(buf.B, text) || cap(buf.B) < len(text)+200<<10 {
		t.Fatalf("%d of %d bytes after growing", len(buf.B), cap(buf.B))
	}
}

// A connection whose output grows to what it holds at most, turn by turn, finds
// all it needs among what is kept.
func TestBuffersAreReused(t *testing.T) {
	l := new(Loop)
	c := &Conn{loop: l}
	turn := func() {
		for range 60 {
			c.room(1 << 10)
			c.out.B = c.out.B[:len(c.out.B)+1<<10]
		}
		c.dropOutput()
	}
	turn()
	if n := testing.AllocsPerRun(100, turn); n != 0 {
		t.Errorf("%v allocations per turn", n)
	}
	if size := bufferMin << c.usual; size != 64<<10 {
		t.Errorf("the next buffer begins with %d bytes", size)
	}
}

func BenchmarkBuffer(b *testing.B) {
	var kept buffers
	b.ReportAllocs()
	for b.Loop() {
		kept.put(kept.get(4 << 10))
	}
}
