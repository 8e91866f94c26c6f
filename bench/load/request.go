// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bytes"
	"encoding/binary"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
)

// request is one of the requests that a connection may have in flight, and the
// receiver of its reply. Objects are reused.
type request struct {
	link     *link
	next     *request // in link.free
	stream   codec.Stream
	due      int64 // when it should have been sent
	sent     int64 // when it was
	put      int   // content bytes given to the stream
	got      int   // content bytes of the reply
	word     string
	prefix   [grpcPrefix]byte // of a reply of any content
	inFlight bool
	status   bool // grpc-status has come
}

var _ codec.Receiver = (*request)(nil)

// chunk is how much of a body is given to a stream at a time, so that a slow
// target does not make us hold it a second time. Smaller ones are given whole.
const chunk = 64 << 10

// send sends the head and as much of the body as the stream takes.
func (r *request) send(m *message) {
	n := min(len(m.body), chunk)
	r.put = n
	r.stream.SendHeaders(m.head, m.body[:n], n == len(m.body))
	if n < len(m.body) {
		r.sendRest(m)
	}
}

func (r *request) sendRest(m *message) {
	for r.put < len(m.body) && !r.stream.Blocked() {
		n := min(len(m.body)-r.put, chunk)
		r.put += n
		r.stream.SendData(m.body[r.put-n:r.put], r.put == len(m.body))
	}
}

// OnHeaders implements codec.Receiver.
func (r *request) OnHeaders(h codec.Head, body []byte, end bool) {
	switch h := h.(type) {
	case *bolt.Head:
		r.checkBolt(h)
	case *http2.Head:
		if h.Status < 200 && !end {
			return
		}
		r.checkHTTP(h)
	}
	r.OnData(body, end)
}

// OnData implements codec.Receiver.
func (r *request) OnData(b []byte, end bool) {
	r.check(b)
	if end {
		r.complete()
		return
	}
	r.stream.Consumed(len(b))
}

// OnTrailers implements codec.Receiver.
func (r *request) OnTrailers(t codec.Head) {
	switch t := t.(type) {
	case *http2.Head:
		r.checkGRPC(t)
	default:
		if t == bolt.CorruptTail {
			r.fail("wrong_checksum")
		}
	}
	r.complete()
}

// OnReset implements codec.Receiver.
func (r *request) OnReset(reason codec.Reason) {
	r.word = resetWord(reason)
	r.link.end(r)
}

// OnWritable implements codec.Receiver.
func (r *request) OnWritable() { r.sendRest(r.link.conn.worker.message) }

// fail notes what is wrong about the reply, unless something was before.
func (r *request) fail(word string) {
	if r.word == "" {
		r.word = word
	}
}

// checkBolt checks the head of a reply. The session has matched its id and its
// checksum.
func (r *request) checkBolt(h *bolt.Head) {
	if h.Status != codec.BoltSuccess {
		r.fail(failureWord(h, boltWord(h.Status)))
	} else if h.Version != r.link.conn.worker.message.head.(*bolt.Head).Version {
		r.fail("wrong_version")
	}
}

func (r *request) checkHTTP(h *http2.Head) {
	if h.Status != 200 {
		r.fail(failureWord(h, httpWord(h.Status)))
	} else {
		r.checkGRPC(h)
	}
}

// checkGRPC looks for the status of a call, which may be in the head of a reply
// without content.
func (r *request) checkGRPC(h *http2.Head) {
	if !r.link.conn.worker.message.grpc {
		return
	}
	if status, ok := h.Get("grpc-status"); ok {
		r.status = true
		if string(status) != "0" {
			r.fail(failureWord(h, grpcWord(status)))
		}
	}
}

// check compares content with what it shall be.
func (r *request) check(b []byte) {
	m := r.link.conn.worker.message
	at := r.got
	r.got += len(b)
	switch {
	case r.word != "" || len(b) == 0:
	case m.want == nil:
		if at < grpcPrefix {
			copy(r.prefix[at:], b)
		}
	case r.got > len(m.want):
		r.word = "wrong_length"
	case !bytes.Equal(b, m.want[at:r.got]):
		r.word = "wrong_body"
		if m.grpc && at < grpcPrefix && !bytes.HasPrefix(b, m.want[at:min(r.got, grpcPrefix)]) {
			r.word = "wrong_length" // as the message itself says
		}
	}
}

// complete checks a reply that has come to its end.
func (r *request) complete() {
	m := r.link.conn.worker.message
	switch {
	case r.word != "":
	case m.grpc && !r.status:
		r.word = "grpc_no_status"
	case m.want != nil && r.got != len(m.want),
		m.grpc && m.want == nil && r.got != grpcPrefix+int(binary.BigEndian.Uint32(r.prefix[1:])):
		r.word = "wrong_length"
	}
	if r.put < len(m.body) {
		// The reply came before all of the request was sent: the rest is of
		// no use.
		r.stream.Reset(codec.DownstreamReset)
	}
	r.link.answered = true
	r.link.end(r)
}
