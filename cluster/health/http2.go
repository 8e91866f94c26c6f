// SPDX-License-Identifier: Apache-2.0

package health

import (
	"io"
	"net"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/codec/http2/hpack"
	"github.com/sideloop/sideloop/config"
)

// http2Read is how much of a host's answer is read at a time.
const http2Read = 4 << 10

// http2Session asks over one HTTP/2 connection. It is the session's sink and
// owner, and the receiver of its replies.
type http2Session struct {
	connection
	asker     *asker
	authority string
	client    *http2.Client
	mem       codec.Memory
	out       []byte
	shut      bool
	reason    codec.Reason // why, or why the reply broke off
	reply     reply
}

// reply is what has come of an answer.
type reply struct {
	status int
	ended  bool // to its end, or by a reset
	reset  bool
	grpc   grpcReply
}

func newHTTP2Session(c net.Conn, a *asker, authority string) session {
	s := &http2Session{connection: connection{c}, asker: a, authority: authority}
	s.client = http2.NewClient(s, s, &s.mem, a.limits)
	return s
}

func (s *http2Session) ask() (bool, error) {
	switch s.asker.check.Protocol {
	case config.HealthHTTP2Connect:
		return false, s.until(func() bool {
			_, stated := s.client.Limit()
			return stated
		})
	case config.HealthGRPC:
		return s.askGRPC()
	}
	stream, err := s.request(s.head(), nil)
	if err != nil {
		return false, err
	}
	if err = s.until(func() bool { return s.reply.status != 0 || s.reply.ended }); err != nil {
		return false, err
	}
	if s.reply.reset {
		return false, wrongAnswer("reset: " + s.reason.String())
	}
	if !s.reply.ended {
		stream.Reset(codec.ReasonNone) // the rest of the reply says nothing
		err = s.flush()
	}
	return err == nil, s.asker.accepts(s.reply.status)
}

func (s *http2Session) head() *http2.Head {
	q := &s.asker.check.Request
	return &http2.Head{
		MethodName:    []byte(q.Method),
		Scheme:        []byte("http"),
		AuthorityName: []byte(s.authority),
		PathName:      []byte(q.Path),
		Fields:        []hpack.Field{{Name: []byte("user-agent"), Value: []byte(userAgent)}},
	}
}

// request sends a request with its body, if there is one.
func (s *http2Session) request(h *http2.Head, body []byte) (codec.Stream, error) {
	s.reply = reply{}
	stream := s.client.Open(s)
	if stream == nil {
		// It said goodbye, or takes no streams: a new connection tells which.
		return nil, io.EOF
	}
	stream.SendHeaders(h, body, true)
	return stream, nil
}

// until writes what is to be sent and reads until done, or until the connection
// is no good any more.
func (s *http2Session) until(done func() bool) error {
	buffer := make([]byte, http2Read)
	for !done() {
		if s.shut {
			return s.lost()
		}
		if err := s.flush(); err != nil {
			return err
		}
		n, err := s.Read(buffer)
		if n > 0 {
			s.client.Feed(buffer[:n], int64(time.Since(s.asker.epoch)))
		}
		if err != nil && !done() {
			return err
		}
	}
	return s.flush()
}

// lost is why the session asked to be closed.
func (s *http2Session) lost() error {
	if s.reason == codec.UpstreamProtocolError {
		return wrongAnswer("not HTTP/2")
	}
	return io.EOF
}

func (s *http2Session) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	_, err := s.Write(s.out)
	s.out = nil
	return err
}

func (s *http2Session) close() {
	s.client.Close(codec.ReasonNone)
	s.connection.close()
}

// Append and the next five methods implement codec.Sink.
func (s *http2Session) Append(b []byte) { s.out = append(s.out, b...) }

// Extend implements codec.Sink.
func (s *http2Session) Extend(n int) []byte {
	s.out = append(s.out, make([]byte, n)...)
	return s.out[len(s.out)-n:]
}

// WriteThrough implements codec.Sink.
func (s *http2Session) WriteThrough(b []byte) { s.Append(b) }

// Buffered implements codec.Sink.
func (s *http2Session) Buffered() int { return len(s.out) }

// Blocked implements codec.Sink: a probe writes little, and waits for that.
func (s *http2Session) Blocked() bool { return false }

// PauseRead implements codec.Sink. A probe that has to pause has been sent more
// than any answer is.
func (s *http2Session) PauseRead() { s.Shut(codec.UpstreamProtocolError) }

// ResumeRead implements codec.Sink.
func (s *http2Session) ResumeRead() {}

// Shut implements codec.Owner.
func (s *http2Session) Shut(r codec.Reason) {
	if !s.shut {
		s.shut, s.reason = true, r
	}
}

// Released implements codec.Owner.
func (s *http2Session) Released() {}

// TickIn implements codec.Owner: the probe's deadline is sooner.
func (s *http2Session) TickIn(time.Duration) {}

// Glitch implements codec.Owner.
func (s *http2Session) Glitch(string) {}

// OnHeaders implements codec.Receiver.
func (s *http2Session) OnHeaders(h codec.Head, body []byte, end bool) {
	if h.HTTPStatus() < 200 {
		return
	}
	s.reply.status, s.reply.ended = h.HTTPStatus(), end
	s.reply.grpc.note(h)
}

// OnData implements codec.Receiver.
func (s *http2Session) OnData(b []byte, end bool) {
	s.reply.grpc.keep(b)
	s.reply.ended = end
}

// OnTrailers implements codec.Receiver.
func (s *http2Session) OnTrailers(t codec.Head) {
	s.reply.grpc.note(t)
	s.reply.ended = true
}

// OnReset implements codec.Receiver.
func (s *http2Session) OnReset(r codec.Reason) {
	s.reply.ended, s.reply.reset = true, true
	if !s.shut {
		s.reason = r
	}
}

// OnWritable implements codec.Receiver.
func (s *http2Session) OnWritable() {}
