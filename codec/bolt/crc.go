// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/sideloop/sideloop/codec"
)

// The checksum of a frame is CRC32 (IEEE, as java.util.zip.CRC32) over all its
// bytes from the first to the last of the content.

// addCRC continues the checksum crc, 0 at the start, with b.
func addCRC(crc uint32, b []byte) uint32 { return crc32.Update(crc, crc32.IEEETable, b) }

// intact tells whether the last four bytes of a whole frame are its checksum.
func intact(frame []byte) bool {
	n := len(frame) - crcSize
	return binary.BigEndian.Uint32(frame[n:]) == addCRC(0, frame[:n])
}

// CorruptTail ends, through OnTrailers and SendTrailers, a frame whose content
// was passed on as it arrived and whose checksum then proved wrong. A Bolt
// stream given it finishes its frame with a wrong checksum, so that the
// receiver finds out.
var CorruptTail codec.Head = new(corruptTail)

// corruptTail is a head without content that stays itself when copied.
type corruptTail struct{ Head }

// Copy implements codec.Head.
func (t *corruptTail) Copy(*codec.Arena) codec.Head { return t }
