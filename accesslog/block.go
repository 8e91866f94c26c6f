// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"time"

	"github.com/sideloop/sideloop/eventloop"
)

const (
	// blockSize has room for blockFull and one more line: what a request brings
	// and what a format may hold, escaped.
	blockSize = 128 << 10
	// blockFull is when a block is handed over: hundreds of lines, so that
	// waking the writer costs each of them little.
	blockFull = 64 << 10
	// blocksMax bounds what waits for a slow disk to 8 MiB of each loop and file.
	// Most blocks are full at half their size.
	blocksMax = 64
	// blocksSpare are kept by a file on which little is written.
	blocksSpare = 1
	// flushInterval is how long a line waits at most.
	flushInterval = time.Second
)

// block is lines on their way to the file.
type block struct {
	bytes []byte
	lines uint64
	// dropped lines are missing before these.
	dropped uint64
	how     escaping
	owner   *blocks
}

// blocks are a loop's part of a file: the block that lines are added to, and those
// that the writer has given back. All logs of the loop that write to the file
// share it. But for free, it is touched on its loop only.
type blocks struct {
	file    *File
	current []byte // nil for none
	lines   uint64 // in it
	how     escaping
	dropped uint64 // lines since the last block that was handed over
	made    int
	free    chan []byte

	timer eventloop.Timer
	armed bool
}

func newBlocks(f *File) *blocks {
	b := &blocks{file: f, free: make(chan []byte, blocksMax)}
	b.timer.Expire = b
	return b
}

// room is where the next line is appended; nil where it is dropped, because all
// blocks wait for the disk.
func (b *blocks) room(loop *eventloop.Loop) []byte {
	if b.current != nil {
		return b.current
	}
	if !b.armed {
		b.armed = true
		loop.Schedule(&b.timer, flushInterval)
	}
	if b.current = b.take(); b.current == nil {
		b.dropped++
		b.file.dropped.Add(1)
	}
	return b.current
}

// take is an empty block, nil where there is none.
func (b *blocks) take() []byte {
	select {
	case free := <-b.free:
		return free[:0]
	default:
	}
	if b.made == blocksMax {
		return nil
	}
	b.made++
	return make([]byte, 0, blockSize)
}

// added takes room with a line behind it.
func (b *blocks) added(lines []byte, how escaping) {
	b.current, b.how = lines, how
	b.lines++
	if len(lines) >= blockFull {
		b.handOver()
	}
}

// handOver gives the block to the writer, which has room for all there are.
func (b *blocks) handOver() {
	if b.current == nil {
		return
	}
	b.file.queue <- block{b.current, b.lines, b.dropped, b.how, b}
	b.current, b.lines, b.dropped = nil, 0, 0
}

// OnTimer implements eventloop.Expirer: nothing waits for longer than this. Where
// lines were dropped and no others have come since, that is said.
func (b *blocks) OnTimer(int64) {
	b.armed = false
	if b.current == nil && b.dropped > 0 {
		b.current = b.take()
	}
	b.handOver()
	for len(b.free) > blocksSpare {
		<-b.free
		b.made--
	}
}
