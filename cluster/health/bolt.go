// SPDX-License-Identifier: Apache-2.0

package health

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
)

const (
	// boltFixed is the size of the fixed part of a response of version 1; a
	// request has two bytes more, and so has version 2.
	boltFixed = 20
	// boltStrays is how many frames a host may send before its answer, and
	// boltStray how large each may be: a heartbeat or a goodbye of its own.
	boltStrays = 8
	boltStray  = 64 << 10
	// boltTimeoutMS is what a heartbeat states as its timeout, as the Java
	// client's do.
	boltTimeoutMS = 1000
)

// boltSession sends heartbeats.
type boltSession struct {
	connection
	v2 bool
	id uint32
}

func (s *boltSession) ask() (bool, error) {
	s.id++
	if _, err := s.Write(s.heartbeat()); err != nil {
		return false, err
	}
	r := bufio.NewReaderSize(s, 64)
	for range boltStrays {
		answered, err := s.read(r)
		if answered {
			return r.Buffered() == 0, err
		}
		if err != nil {
			return false, err
		}
	}
	return false, wrongAnswer("frames that were not asked for")
}

// heartbeat is a request without class, header map and content.
func (s *boltSession) heartbeat() []byte {
	b := []byte{bolt.V1}
	if s.v2 {
		b = []byte{bolt.V2, 1}
	}
	b = append(b, bolt.TypeRequest)
	b = binary.BigEndian.AppendUint16(b, bolt.CommandHeartbeat)
	b = append(b, 1)
	b = binary.BigEndian.AppendUint32(b, s.id)
	b = append(b, bolt.CodecHessian)
	if s.v2 {
		b = append(b, 0)
	}
	b = binary.BigEndian.AppendUint32(b, boltTimeoutMS)
	return append(b, make([]byte, 8)...)
}

// read takes one frame. answered tells that it was the answer.
func (s *boltSession) read(r *bufio.Reader) (answered bool, err error) {
	start, err := r.Peek(3)
	if err != nil {
		return false, err
	}
	size, at := boltFixed, 1 // at is where the type is
	switch {
	case start[0] == bolt.V1:
	case start[0] == bolt.V2 && start[1] <= 2:
		size, at = size+2, 2
	default:
		return false, wrongAnswer("not Bolt")
	}
	typ := start[at]
	if typ > bolt.TypeOneWay {
		return false, wrongAnswer("not Bolt")
	}
	if typ != bolt.TypeResponse {
		size += 2
	}
	fixed := make([]byte, size)
	if _, err = io.ReadFull(r, fixed); err != nil {
		return false, err
	}
	if err = skipBolt(r, fixed, at == 2); err != nil {
		return false, err
	}
	p := fixed[at+1:] // command:2 ver2:1 id:4
	if typ != bolt.TypeResponse || binary.BigEndian.Uint32(p[3:]) != s.id {
		return false, nil
	}
	if status := binary.BigEndian.Uint16(fixed[size-10:]); status != codec.BoltSuccess {
		return true, wrongAnswer(fmt.Sprintf("status %d", status))
	}
	return true, nil
}

// skipBolt reads what follows the fixed part of a frame.
func skipBolt(r *bufio.Reader, fixed []byte, v2 bool) error {
	lengths := fixed[len(fixed)-8:]
	rest := int64(binary.BigEndian.Uint16(lengths)) + int64(binary.BigEndian.Uint16(lengths[2:])) + int64(binary.BigEndian.Uint32(lengths[4:]))
	if v2 && fixed[1] == 2 && fixed[11]&bolt.SwitchCRC != 0 {
		rest += 4
	}
	if rest > boltStray {
		return wrongAnswer("a frame too large for a heartbeat")
	}
	_, err := io.CopyN(io.Discard, r, rest)
	return err
}
