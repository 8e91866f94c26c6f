// SPDX-License-Identifier: Apache-2.0

package health

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
)

const (
	// http1Line is the longest line of a head; http1Lines is how many a reply
	// has at most, informational ones included.
	http1Line  = 4 << 10
	http1Lines = 256
	// http1Body is the longest body that is read to keep the connection.
	http1Body = 64 << 10
	userAgent = "Sideloop-HealthCheck"
)

// http1Session sends requests of HTTP/1.1.
type http1Session struct {
	connection
	asker     *asker
	authority string
}

func (s *http1Session) ask() (bool, error) {
	q := &s.asker.check.Request
	end := "\r\nUser-Agent: " + userAgent + "\r\n"
	if !s.asker.check.Reuse {
		end += "Connection: close\r\n"
	}
	if _, err := io.WriteString(s, q.Method+" "+q.Path+" HTTP/1.1\r\nHost: "+s.authority+end+"\r\n"); err != nil {
		return false, err
	}
	h := http1Head{reader: bufio.NewReaderSize(s, http1Line)}
	if err := h.read(); err != nil {
		return false, err
	}
	return h.finish(q.Method) && h.reader.Buffered() == 0, s.asker.accepts(h.status)
}

// http1Head is the head of a reply.
type http1Head struct {
	reader *bufio.Reader
	lines  int
	status int
	length int64 // -1 where none is stated
	close  bool  // the connection ends with this reply
}

// read takes the head of the final reply.
func (h *http1Head) read() error {
	for {
		h.length = -1
		if err := h.statusLine(); err != nil {
			return err
		}
		if err := h.fields(); err != nil {
			return err
		}
		if h.status >= 200 {
			return nil
		}
	}
}

func (h *http1Head) line() ([]byte, error) {
	if h.lines++; h.lines > http1Lines {
		return nil, wrongAnswer("a head of too many lines")
	}
	line, err := h.reader.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, wrongAnswer("a line that is too long")
	}
	if errors.Is(err, io.EOF) && (len(line) > 0 || h.lines > 1) {
		err = io.ErrUnexpectedEOF
	}
	return bytes.TrimRight(line, "\r\n"), err
}

// statusLine is "HTTP/1.1 200 OK" (RFC 9112, 4).
func (h *http1Head) statusLine() error {
	line, err := h.line()
	if err != nil {
		return err
	}
	version, rest, _ := bytes.Cut(line, []byte(" "))
	code, _, _ := bytes.Cut(rest, []byte(" "))
	h.status, err = strconv.Atoi(string(code))
	if !bytes.HasPrefix(version, []byte("HTTP/1.")) || len(code) != 3 || err != nil || h.status < 100 {
		return wrongAnswer("not HTTP/1")
	}
	h.close = string(version) != "HTTP/1.1"
	return nil
}

// fields reads to the end of a head and notes where the body ends.
func (h *http1Head) fields() error {
	for {
		line, err := h.line()
		if err != nil || len(line) == 0 {
			return err
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			if h.length, err = strconv.ParseInt(string(value), 10, 64); err != nil || h.length < 0 {
				h.close = true
			}
		case bytes.EqualFold(name, []byte("connection")), bytes.EqualFold(name, []byte("transfer-encoding")):
			h.close = h.close || !bytes.EqualFold(value, []byte("keep-alive"))
		}
	}
}

// finish reads a body that is short and tells whether another reply can follow.
func (h *http1Head) finish(method string) bool {
	switch {
	case h.close:
		return false
	case method == "HEAD" || h.status == 204 || h.status == 304:
		return true
	case h.length < 0 || h.length > http1Body:
		return false
	}
	_, err := h.reader.Discard(int(h.length))
	return err == nil
}
