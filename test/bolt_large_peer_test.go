// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"sync"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// pattern is the content of large frames: it repeats after a prime number of
// bytes, so that no offset of a buffer size goes unnoticed.
var pattern = body(1_000_003)

const (
	// unpaced is the rate of what is written as fast as it is taken.
	unpaced = 0
	// paceBurst is what is written at once of what has a rate.
	paceBurst = 64 << 10
)

// writePattern writes size bytes of the pattern, at a rate in bytes per second.
func writePattern(w io.Writer, size, rate int) error {
	began := time.Now()
	for sent := 0; sent < size; {
		at := sent % len(pattern)
		n := min(size-sent, len(pattern)-at)
		if rate != unpaced {
			n = min(n, paceBurst)
			time.Sleep(time.Duration(sent)*time.Second/time.Duration(rate) - time.Since(began))
		}
		if _, err := w.Write(pattern[at : at+n]); err != nil {
			return err
		}
		sent += n
	}
	return nil
}

func patternSum(size int) uint32 {
	sum := crc32.NewIEEE()
	writePattern(sum, size, unpaced)
	return sum.Sum32()
}

// largeHead is the bytes of f up to its content, which is size bytes long.
func largeHead(f boltFrame, size int) []byte {
	f.content = nil
	b := f.encode()
	at := 18
	if f.kind == kindResponse {
		at = 16
	}
	binary.BigEndian.PutUint32(b[at:], uint32(size))
	return b
}

// readLargeHead reads a frame of version 1 up to its content.
func readLargeHead(r *bufio.Reader) (f boltFrame, size int, err error) {
	start, err := r.Peek(22)
	if err != nil {
		return f, 0, err
	}
	fixed := 22
	if start[1] == kindResponse {
		fixed = 20
		f.status = binary.BigEndian.Uint16(start[10:])
	}
	f.kind, f.command, f.id = start[1], binary.BigEndian.Uint16(start[2:]), binary.BigEndian.Uint32(start[5:])
	f.version, f.codec = start[0], start[9]
	class, header := int(binary.BigEndian.Uint16(start[fixed-8:])), int(binary.BigEndian.Uint16(start[fixed-6:]))
	size = int(binary.BigEndian.Uint32(start[fixed-4:]))
	b := make([]byte, fixed+class+header)
	if _, err = io.ReadFull(r, b); err != nil {
		return f, 0, err
	}
	f.class = string(b[fixed : fixed+class])
	f.pairs, err = readPairs(b[fixed+class:])
	return f, size, err
}

// serveLarge answers each request of a connection with the sum of its content, as
// eight hex digits, and requests of the service "give:SIZE:RATE" with so many
// bytes of the pattern.
func serveLarge(c net.Conn) {
	defer c.Close()
	r := newReader(c)
	for {
		f, size, err := readLargeHead(r)
		if err != nil {
			return
		}
		sum := crc32.NewIEEE()
		if _, err := io.CopyN(sum, r, int64(size)); err != nil {
			return
		}
		reply := f.reply()
		var n, rate int
		if _, err := fmt.Sscanf(f.get("service"), "give:%d:%d", &n, &rate); err == nil {
			c.Write(largeHead(reply, n))
			if writePattern(c, n, rate) != nil {
				return
			}
			continue
		}
		reply.content = fmt.Appendf(nil, "%08x", sum.Sum32())
		c.Write(reply.encode())
	}
}

// largeProtocol is what startEchoProcess calls a service that is served by
// serveLarge.
const largeProtocol = "Large"

// moveLarge makes a large request and gets a large reply at once, each over a
// connection of its own. moving is called when both are on their way.
func moveLarge(address string, size, rate int, moving func()) error {
	var wg, begun sync.WaitGroup
	var sent, taken error
	begun.Add(2)
	wg.Go(func() { sent = sendLarge(address, size, rate, begun.Done) })
	wg.Go(func() { taken = takeLarge(address, size, rate, begun.Done) })
	begun.Wait()
	moving()
	wg.Wait()
	return errors.Join(sent, taken)
}

// sendLarge makes a call with size bytes of content; begun is called once, when
// its head is sent or never will be.
func sendLarge(address string, size, rate int, begun func()) error {
	begun = sync.OnceFunc(begun)
	defer begun()
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	f := newBoltRequest("take", nil)
	f.id, f.timeout = 7, -1
	if _, err := c.Write(largeHead(f, size)); err != nil {
		return err
	}
	begun()
	if err := writePattern(c, size, rate); err != nil {
		return err
	}
	r, err := readBolt(newReader(c))
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("%08x", patternSum(size)); r.status != 0 || r.id != 7 || string(r.content) != want {
		return fmt.Errorf("large request: status %d, %q, sum %q; want %q", r.status, r.get(codec.ReasonHeader), r.content, want)
	}
	return nil
}

// takeLarge makes a call whose reply has size bytes of content; begun is called
// once, when the reply's head has come or never will.
func takeLarge(address string, size, rate int, begun func()) error {
	begun = sync.OnceFunc(begun)
	defer begun()
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	f := newBoltRequest(fmt.Sprintf("give:%d:%d", size, rate), nil)
	f.id, f.timeout = 9, -1
	c.Write(f.encode())
	r := newReader(c)
	got, n, err := readLargeHead(r)
	if err != nil {
		return err
	}
	begun()
	sum := crc32.NewIEEE()
	if _, err := io.CopyN(sum, r, int64(n)); err != nil {
		return err
	}
	if got.status != 0 || got.id != 9 || n != size || sum.Sum32() != patternSum(size) {
		return fmt.Errorf("large reply: status %d, %q, %d bytes, sum %08x", got.status, got.get(codec.ReasonHeader), n, sum.Sum32())
	}
	return nil
}
