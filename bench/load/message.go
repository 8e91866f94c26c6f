// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/sideloop/sideloop/bench"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// message is the request that a run sends and what its replies shall be. All
// loops share it; nothing of it changes.
type message struct {
	head codec.Head
	body []byte
	want []byte // the content of a reply; nil is any
	grpc bool
}

// grpcPrefix is a flag for compression and the message's length (gRPC over
// HTTP/2, Length-Prefixed-Message).
const grpcPrefix = 5

func newMessage(o *Options) (*message, error) {
	m := &message{grpc: o.Protocol == GRPC}
	m.body = m.content(o.Body)
	switch {
	case o.Reply > 0:
		m.want = m.content(o.Reply)
	case o.Reply == 0 && o.Body > 0:
		m.want = m.body
	}
	if o.Method == "HEAD" {
		m.want = nil
	}
	var err error
	switch o.Protocol {
	case Bolt, BoltV2:
		m.head, err = boltHead(o)
	case HTTP2, GRPC:
		m.head, err = httpHead(o)
	}
	return m, err
}

// content is n bytes as they are on the wire.
func (m *message) content(n int) []byte {
	content := bench.Content(n)
	if !m.grpc {
		return content
	}
	framed := make([]byte, grpcPrefix, grpcPrefix+n)
	binary.BigEndian.PutUint32(framed[1:], uint32(n))
	return append(framed, content...)
}

func boltHead(o *Options) (*bolt.Head, error) {
	h := bench.BoltRequest(o.Service, o.RequestTimeout)
	if o.Service == "" {
		h.Map = nil
	}
	h.ContentLength = uint32(o.Body)
	if o.Protocol == BoltV2 {
		h.Version, h.Ver1, h.Switch = bolt.V2, 2, bolt.SwitchCRC
	}
	for _, header := range o.Headers {
		name, value, err := splitHeader(header)
		if err != nil {
			return nil, err
		}
		h.Map = bolt.AppendPair(h.Map, []byte(name), []byte(value))
	}
	if len(h.Map) > math.MaxUint16 {
		return nil, fmt.Errorf("the headers take %d bytes; Bolt can send %d", len(h.Map), math.MaxUint16)
	}
	return h, nil
}

func splitHeader(header string) (name, value string, err error) {
	name, value, ok := strings.Cut(header, ":")
	name = strings.TrimSpace(name)
	if !ok || name == "" {
		return "", "", fmt.Errorf("the header %q is not name: value", header)
	}
	return name, strings.TrimSpace(value), nil
}

func httpHead(o *Options) (*http2.Head, error) {
	if !token(o.Method) {
		return nil, fmt.Errorf("the method %q is not a word", o.Method)
	}
	if o.Path[0] != '/' || strings.ContainsFunc(o.Path, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '#' }) {
		return nil, fmt.Errorf("the path %q does not begin with a slash or has white space", o.Path)
	}
	network, authority := o.address()
	if network == "unix" {
		authority = "localhost"
	}
	h := &http2.Head{
		MethodName: []byte(o.Method), Scheme: []byte("http"), AuthorityName: []byte(authority), PathName: []byte(o.Path),
	}
	add := func(name, value string) {
		h.Fields = append(h.Fields, hpack.Field{Name: []byte(name), Value: []byte(value)})
	}
	switch {
	case o.Protocol == GRPC:
		add("content-type", "application/grpc")
		add("te", "trailers")
	case o.Body > 0:
		add("content-length", strconv.Itoa(o.Body))
	}
	if o.Service != "" {
		add("service", o.Service)
	}
	for _, header := range o.Headers {
		name, value, err := httpField(header)
		if err != nil {
			return nil, err
		}
		if name == "host" {
			h.AuthorityName = []byte(value)
			continue
		}
		add(name, value)
	}
	return h, nil
}

// httpField refuses what HTTP/2 would not carry (RFC 9113, 8.2).
func httpField(header string) (name, value string, err error) {
	if strings.HasPrefix(header, ":") {
		return "", "", fmt.Errorf("the header %q is a pseudo-header; see --method and --path", header)
	}
	name, value, err = splitHeader(header)
	if err != nil {
		return "", "", err
	}
	name = strings.ToLower(name)
	switch name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te":
		return "", "", fmt.Errorf("the header %q does not exist in HTTP/2", name)
	case "content-length":
		return "", "", errors.New("the content-length follows from the body")
	}
	if !token(name) || strings.ContainsFunc(value, func(c rune) bool { return (c < ' ' && c != '\t') || c == 0x7f }) {
		return "", "", fmt.Errorf("the header %q has characters that HTTP does not allow", header)
	}
	return name, value, nil
}

// token tells whether s is one (RFC 9110, 5.6.2).
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	})
}
