// SPDX-License-Identifier: Apache-2.0

package codec

import "net"

// Witness is an Owner that keeps what its peer got wrong, for people to look at.
type Witness interface {
	// Malformed shows a message that breaks the protocol, as far as it is at
	// hand and until the return: why, in the word that Glitch gets, and from
	// which offset it is wrong. The first clear bytes are of the protocol
	// itself; behind them are headers and bodies, which may hold secrets.
	Malformed(word string, message []byte, at, clear int)
}

const (
	// specimenSize is how much is kept of a malformed message.
	specimenSize = 512
	// specimenBefore is how much of that may lie before what is wrong.
	specimenBefore = 384
)

// Specimen is the latest malformed message of a kind on a loop.
type Specimen struct {
	Protocol Protocol
	// Upstream messages came from a host of Cluster, others from a client of
	// Listener.
	Upstream          bool
	Listener, Cluster string
	Peer              net.Addr

	Word string
	At   int64 // loop time
	// Count is how many there were of the kind, whatever was wrong.
	Count uint64
	// Size is how much of the message was at hand, Offset from where it is
	// wrong, Clear up to where it is of the protocol itself, From the offset of
	// what is kept.
	Size, Offset, Clear, From int
	kept                      uint16
	bytes                     [specimenSize]byte
}

// Bytes is what is kept of the message.
func (s *Specimen) Bytes() []byte { return s.bytes[:s.kept] }

// Take keeps a message instead of the one before. The names are the caller's to
// set.
func (s *Specimen) Take(now int64, word string, message []byte, at, clear int) {
	s.Word, s.At, s.Size, s.Offset, s.Clear = word, now, len(message), at, min(clear, len(message))
	s.Count++
	s.From = max(0, min(at-specimenBefore, len(message)-specimenSize))
	s.kept = uint16(copy(s.bytes[:], message[s.From:]))
}

// Specimens are those of one direction on a loop.
type Specimens struct {
	kinds *[ProtocolCount]Specimen // made with the first
	total uint64
}

// Total grows with each.
func (s *Specimens) Total() uint64 { return s.total }

// Of is the place of a protocol's, which is about to be taken.
func (s *Specimens) Of(p Protocol) *Specimen {
	if s.kinds == nil {
		s.kinds = new([ProtocolCount]Specimen)
	}
	s.total++
	one := &s.kinds[p]
	one.Protocol = p
	return one
}

// Each calls f for each that there is.
func (s *Specimens) Each(f func(*Specimen)) {
	if s.kinds == nil {
		return
	}
	for i := range s.kinds {
		if s.kinds[i].Count > 0 {
			f(&s.kinds[i])
		}
	}
}
