// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"bytes"
	"errors"
	"io"
)

// answersMax is how much encrypted output a connection may hold: no more is
// encrypted than one flush while the kernel refuses it, so that what is above
// answers what the peer asked for on the level of TLS, such as key updates, and
// does not read.
const answersMax = 2 * connOutput

var (
	errCutRecord = errors.New("the peer finished sending within a TLS record")
	errAnswers   = errors.New("the peer asks for key updates and does not read them")
)

// secure puts a connection, whose handshake is done, on its loop.
func (c *Conn) secure(w *wire, hello *Hello) {
	c.tls, c.hello = w, hello
	w.conn, w.socket, w.turns = c, nil, nil
	if raw := rawInput(w.tls); raw != nil && raw.Len() == 0 {
		*raw = bytes.Buffer{}
	}
}

// startRecords looks at what arrived behind the handshake.
func (c *Conn) startRecords() {
	w := c.tls
	ahead := w.ahead
	w.buffer, w.ahead, w.left = nil, nil, 0
	if len(ahead) > 0 {
		c.onRecords(ahead)
	}
}

// onRecords takes the bytes of one read of an encrypted connection.
func (c *Conn) onRecords(b []byte) {
	if c.phase != phaseOpen || c.tls.over {
		return
	}
	data, err := c.tls.decrypt(b, c.loop.plainBytes(len(b)))
	if len(data) > 0 {
		c.onInput(data)
	}
	if c.phase != phaseOpen {
		return
	}
	w := c.tls
	switch owed := w.buffered(); {
	case err == io.EOF:
		w.over = true
		w.dropPart()
		c.onCloseNotify()
	case err != nil:
		c.failRecords(err)
	case owed > answersMax:
		c.failRecords(errAnswers)
	case owed > 0:
		c.markDirty()
	}
}

// onCloseNotify follows the peer's announcement that it has finished sending. It
// is told like a FIN.
func (c *Conn) onCloseNotify() {
	if c.paused || c.in != nil {
		c.finHeld = true
		return
	}
	c.callPeerClosed()
}

// failRecords ends the connection for what the peer sent, with an alert if there
// is one to send.
func (c *Conn) failRecords(err error) {
	if w := c.tls; w.buffered() > 0 && !c.waiting && !c.unsendable() {
		c.transmit(w.pending(), nil)
	}
	c.end(CauseTLS, err)
}

// decrypt returns the data of the whole records that b completes, in plain, and
// keeps the rest. The error is io.EOF for the peer's close_notify; the data
// before any error is valid.
func (w *wire) decrypt(b, plain []byte) ([]byte, error) {
	n := 0
	for {
		record, rest := w.next(b)
		if record == nil {
			return plain[:n], nil
		}
		b = rest
		lent := w.lend(record)
		m, err := w.tls.Read(plain[n:])
		if lent {
			w.reclaim()
		}
		n += m
		if w.part != nil && len(w.record) == 0 {
			w.dropPart()
		}
		if err != nil && err != errDry {
			return plain[:n], err
		}
	}
}

// next is the next whole record of what was kept and b, and what follows it in
// b. Without one it keeps all of b.
func (w *wire) next(b []byte) (record, rest []byte) {
	if w.part == nil {
		if size := recordSize(b); size > 0 && size <= len(b) {
			return b[:size], b[size:]
		}
		if len(b) > 0 {
			w.part = w.conn.loop.buffers.add(nil, b)
		}
		return nil, nil
	}
	for {
		want := recordSize(w.part.B)
		if want == 0 {
			want = recordHeader
		} else if len(w.part.B) == want {
			return w.part.B, b
		}
		n := min(want-len(w.part.B), len(b))
		if n == 0 {
			return nil, nil
		}
		w.part = w.conn.loop.buffers.add(w.part, b[:n])
		b = b[n:]
	}
}

// kept is the number of bytes of a record that has not arrived whole.
func (w *wire) kept() int {
	if w.part == nil {
		return 0
	}
	return len(w.part.B)
}

// send encrypts a and then b, as far as the kernel takes what comes of it, and
// returns how much was encrypted.
func (w *wire) send(a, b []byte) (taken int) {
	c := w.conn
	for {
		for room := connOutput; room > 0 && len(a)+len(b) > 0; {
			if len(a) == 0 {
				a, b = b, nil
			}
			n := min(len(a), recordData)
			room -= n
			w.last = (room <= 0 || n == len(a) && len(b) == 0) && c.phase == phaseOpen
			// An error is one that the connection has ended with.
			_, _ = w.tls.Write(a[:n])
			w.last = false
			if c.unsendable() {
				return taken
			}
			a, taken = a[n:], taken+n
		}
		if c.phase == phaseClosing && len(a)+len(b) == 0 {
			w.sayBye()
		}
		if !w.flush() || len(a)+len(b) == 0 {
			return taken
		}
	}
}

// flush sends records that are kept, and tells whether the kernel took all.
func (w *wire) flush() bool {
	c := w.conn
	if c.unsendable() || c.waiting {
		return false
	}
	held := w.buffered()
	if held == 0 {
		return true
	}
	n := c.transmit(w.pending(), nil)
	if c.unsendable() {
		return false
	}
	if n < held {
		w.sent += n
		return false
	}
	w.dropOutput()
	return true
}

// sayBye appends the close_notify that goes before our FIN.
func (w *wire) sayBye() {
	if !w.bye {
		w.bye = true
		_ = w.tls.CloseWrite() // fails only after an alert that says more
	}
}

// plainBytes is where the data of the records of one read goes. It is valid
// until the next read of any encrypted connection of the loop.
func (l *Loop) plainBytes(read int) []byte {
	// A record that this read completes may have begun with earlier ones.
	if need := read + recordHeader + recordMax; len(l.plain) < need {
		l.plain = make([]byte, need)
	}
	return l.plain
}
