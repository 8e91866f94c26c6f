// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"time"

	"github.com/valyala/bytebufferpool"
)

const (
	// recordHeader is the length of a TLS record's header (RFC 8446, 5.1).
	recordHeader = 5
	// recordData is the most data in one record.
	recordData = 16 << 10
	// recordMax is the most that a record's header may announce (RFC 5246,
	// 6.2.3). The header of a longer one is all that is looked at.
	recordMax = recordData + 2<<10
	// handshakeBuffer is how much of the peer's input is read at once before
	// the connection is on its loop: a ClientHello or a certificate's chain in
	// one or two reads.
	handshakeBuffer = 4 << 10
)

// wire is what a tls.Conn has for a socket. At first it is one, which blocks,
// for the handshake on a goroutine of its own. Then it is the loop's: what
// arrived is put into it, what is to be sent is taken out of it, and neither
// blocks.
//
// It hands a tls.Conn one record at a time, so that never anything is left
// inside: not when the handshake ends and its goroutine with it, and not between
// two reads, which saves the one that would only find nothing.
type wire struct {
	tls  *tls.Conn
	conn *Conn // nil before the connection is on its loop

	// Before:
	socket net.Conn
	turns  chan struct{} // a place for each handshake that computes
	buffer []byte
	ahead  []byte // of buffer, read and not yet taken
	left   int    // bytes of the record that is being taken
	own    *x509.Certificate

	// On the loop:
	record []byte                     // the one that is being decrypted
	part   *bytebufferpool.ByteBuffer // of a record that has not arrived whole
	out    *bytebufferpool.ByteBuffer // records not yet taken by the kernel
	sent   int                        // prefix of out that the kernel took
	last   bool                       // the record being written ends the flush
	over   bool                       // close_notify has arrived
	bye    bool                       // close_notify was sent
}

// dryError tells a tls.Conn that there is no more for now. Of any other error it
// would never recover.
type dryError struct{}

func (dryError) Error() string   { return "no whole record has arrived" }
func (dryError) Timeout() bool   { return true }
func (dryError) Temporary() bool { return true }

var errDry net.Error = dryError{}

// recordSize is the length of the record that b begins with, 0 while the header
// is not complete. One that is too long, or none of TLS, is cut off behind its
// header, which is all that it takes to refuse it.
func recordSize(b []byte) int {
	if len(b) < recordHeader {
		return 0
	}
	n := int(b[3])<<8 | int(b[4])
	if known := b[0] >= 20 && b[0] <= 23 && b[1] == 3; !known || n > recordMax {
		return recordHeader
	}
	return recordHeader + n
}

// Read implements net.Conn.
func (w *wire) Read(p []byte) (int, error) {
	if w.conn != nil {
		n := copy(p, w.record)
		w.record = w.record[n:]
		if n == 0 {
			return 0, errDry
		}
		return n, nil
	}
	for w.left == 0 || len(w.ahead) == 0 {
		if w.left == 0 {
			w.left = recordSize(w.ahead)
		}
		if w.left > 0 && len(w.ahead) > 0 {
			break
		}
		if err := w.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, w.ahead[:min(w.left, len(w.ahead))])
	w.ahead, w.left = w.ahead[n:], w.left-n
	return n, nil
}

// fill waits for more of the peer's input, and meanwhile lets others compute.
func (w *wire) fill() error {
	kept := copy(w.buffer, w.ahead)
	<-w.turns
	n, err := w.socket.Read(w.buffer[kept:])
	w.turns <- struct{}{}
	w.ahead = w.buffer[:kept+n]
	if n > 0 {
		return nil
	}
	if err == io.EOF && kept > 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Write implements net.Conn. On the loop it cannot fail: a connection that
// cannot be written to ends by itself.
func (w *wire) Write(p []byte) (int, error) {
	c := w.conn
	switch {
	case c == nil:
		<-w.turns
		defer func() { w.turns <- struct{}{} }()
		return w.socket.Write(p)
	case !c.unsendable() && w.last && !c.waiting:
		held := w.buffered()
		n := c.transmit(w.pending(), p)
		switch {
		case c.unsendable():
		case n < held:
			w.sent += n
			w.keep(p)
		default:
			w.dropOutput()
			w.keep(p[n-held:])
		}
	case !c.unsendable():
		w.keep(p)
	}
	return len(p), nil
}

// keep holds records until they are sent.
func (w *wire) keep(p []byte) {
	if len(p) == 0 {
		return
	}
	w.out = w.conn.loop.buffers.add(w.out, p)
}

func (w *wire) pending() []byte {
	if w.out == nil {
		return nil
	}
	return w.out.B[w.sent:]
}

// buffered is the number of encrypted bytes that the kernel has not taken.
func (w *wire) buffered() int { return len(w.pending()) }

func (w *wire) dropOutput() {
	if w.out == nil {
		return
	}
	w.conn.loop.buffers.put(w.out)
	w.out, w.sent = nil, 0
}

// drop gives all buffers back.
func (w *wire) drop() {
	w.dropOutput()
	w.dropPart()
}

func (w *wire) dropPart() {
	if w.part != nil {
		w.conn.loop.buffers.put(w.part)
		w.part = nil
	}
}

// Close implements net.Conn. A tls.Conn calls it only to give a handshake up.
func (w *wire) Close() error {
	if w.socket == nil {
		return nil
	}
	return w.socket.Close()
}

// LocalAddr implements net.Conn.
func (w *wire) LocalAddr() net.Addr {
	if w.socket == nil {
		return w.conn.local
	}
	return w.socket.LocalAddr()
}

// RemoteAddr implements net.Conn.
func (w *wire) RemoteAddr() net.Addr {
	if w.socket == nil {
		return w.conn.remote
	}
	return w.socket.RemoteAddr()
}

// SetDeadline implements net.Conn. Deadlines of the handshake are set on the
// socket itself, and the loop has its own.
func (w *wire) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline implements net.Conn.
func (w *wire) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// SetWriteDeadline implements net.Conn.
func (w *wire) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
