// SPDX-License-Identifier: Apache-2.0

package http2

import "github.com/sideloop/sideloop/codec"

// Client is an HTTP/2 session in the client role. It implements
// codec.ClientSession.
type Client struct{ conn }

var (
	_ codec.ClientSession = (*Client)(nil)
	_ codec.Prober        = (*Client)(nil)
)

// assumedStreams is how many streams a server is taken to allow before its
// SETTINGS come (RFC 9113, 6.5.2 recommends no less).
const assumedStreams = 100

// NewClient returns a session on which streams may be opened at once. It writes
// the preface and its SETTINGS. Limits are shared and must not change.
func NewClient(sink codec.Sink, owner codec.Owner, mem *codec.Memory, l *Limits) *Client {
	c := new(Client)
	c.mistake = codec.UpstreamProtocolError
	c.phase = phaseHead
	c.maxStreams = assumedStreams
	c.init(sink, owner, mem, l)
	copy(sink.Extend(len(Preface)), Preface)
	c.writeSettings()
	c.set(alarmSetup, l.SetupTime)
	return c
}

// Capacity implements codec.ClientSession.
func (c *Client) Capacity() int {
	if c.dead || c.drain != drainNone || c.maxID >= maxStreamID || c.sink.Buffered() > c.limits.Backlog {
		return 0
	}
	return max(c.limit()-c.table.count, 0)
}

// Limit implements codec.ClientSession.
func (c *Client) Limit() (n int, stated bool) { return c.limit(), c.settled }

func (c *Client) limit() int {
	if c.maxStreams < uint32(c.limits.MaxStreams) {
		return int(c.maxStreams)
	}
	return c.limits.MaxStreams
}

// Open implements codec.ClientSession.
func (c *Client) Open(r codec.Receiver) codec.Stream {
	if c.Capacity() == 0 {
		return nil
	}
	if c.maxID == 0 {
		c.maxID = 1
	} else {
		c.maxID += 2
	}
	s := c.open(c.maxID)
	s.receiver = r
	if c.maxID >= maxStreamID {
		// RFC 9113, 5.1.1: a connection out of ids is done.
		c.drain = drainFinal
	}
	return s
}

// Names of the pseudo-header fields of a request, and what stands in for values
// that a head made from another protocol lacks or that would be malformed
// (RFC 9113, 8.3.1).
var (
	nameMethod    = []byte(":method")
	nameScheme    = []byte(":scheme")
	nameAuthority = []byte(":authority")
	namePath      = []byte(":path")
	nameProtocol  = []byte(":protocol")

	usualMethod = []byte("GET")
	usualScheme = []byte("http")
	usualPath   = []byte("/")
)

// appendRequestLine encodes the pseudo-header fields of a request. A CONNECT
// without :protocol has neither :scheme nor :path (RFC 9113, 8.5; RFC 8441, 4).
func (c *conn) appendRequestLine(b []byte, h *Head) []byte {
	method, scheme, path := h.MethodName, h.Scheme, h.PathName
	if !all(method, &methodByte) {
		method = usualMethod
	}
	if !validScheme(scheme) {
		scheme = usualScheme
	}
	if !validPath(path, string(method) == "OPTIONS") {
		path = usualPath
	}
	b = c.enc.AppendField(b, nameMethod, method, false)
	tunnel := h.tunnel() == plainTunnel
	if !tunnel {
		b = c.enc.AppendField(b, nameScheme, scheme, false)
	}
	if len(h.AuthorityName) > 0 && validAuthority(h.AuthorityName) {
		b = c.enc.AppendField(b, nameAuthority, h.AuthorityName, false)
	}
	if !tunnel {
		b = c.enc.AppendField(b, namePath, path, false)
	}
	if all(h.ConnectProto, &methodByte) {
		b = c.enc.AppendField(b, nameProtocol, h.ConnectProto, false)
	}
	return b
}

// endReply is the first header block of a reply, or a 1xx before it.
func (c *conn) endReply(s *stream, m *message) {
	end := c.block.end
	word := m.reply(end, s)
	var head *Head
	if word == "" {
		head = c.remember(m)
	}
	switch {
	case word != "":
	case head.Status < 200:
		s.informational++
		if int(s.informational) > c.limits.Informational {
			word = "informational_flood"
		}
	default:
		s.answered = true
		s.connected(head.Status)
		s.want = head.ContentLength
		if s.bodiless || (noContent(head.Status) && s.tunnel == noTunnel) {
			s.want = 0
		}
	}
	if word != "" {
		c.streamError(s, codeProtocolError, word)
		return
	}
	receiver := s.receiver
	if end {
		c.recvEnd(s)
	}
	if receiver != nil {
		receiver.OnHeaders(head, nil, end)
	}
}

// noContent tells the replies that have no content whatever their
// content-length says (RFC 9113, 8.1.1).
func noContent(status int) bool { return status == 204 || status == 304 }

// reply checks the fields of a reply to s (RFC 9113, 8.3.2) and fills in the
// head.
func (m *message) reply(end bool, s *stream) string {
	if m.known != nil {
		return ""
	}
	h := &m.head
	if len(m.fields) == 0 || string(m.fields[0].Name) != ":status" {
		return "status_missing"
	}
	v := m.fields[0].Value
	if len(v) != 3 {
		return "status"
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return "status"
		}
		h.Status = h.Status*10 + int(c-'0')
	}
	switch {
	case h.Status < 100 || h.Status == 101:
		return "status"
	case h.Status < 200 && end:
		return "informational_end"
	}
	if word := m.regular(m.fields[1:]); word != "" {
		return word
	}
	switch {
	case s.tunnel != noTunnel && accepts(h.Status):
		m.dropLength()
	case end && (s.bodiless || noContent(h.Status)):
		h.ContentLength = 0
		return ""
	}
	return m.endLength(end)
}

// PeerClosed implements codec.Session.
func (c *Client) PeerClosed() {
	if c.dead {
		return
	}
	c.dead = true
	c.dropInput()
	c.owner.Shut(codec.UpstreamClosed)
}

// Drain implements codec.Session.
func (c *Client) Drain() {
	if c.dead {
		return
	}
	c.drain = drainFinal
	c.checkDrained()
}
