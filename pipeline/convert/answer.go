// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"strconv"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
)

// editors make changed copies of heads.
type editors struct {
	bolt  bolt.Editor
	http2 http2.Editor
}

// Editor is the loop's editor of heads of a protocol.
func (c *Converter) Editor(p codec.Protocol) codec.Editor { return c.editors.of(p) }

func (e *editors) of(p codec.Protocol) codec.Editor {
	if p == codec.Bolt {
		return &e.bolt
	}
	return &e.http2
}

// Answer returns the reply of a route that asks no host: a status in HTTP's
// terms with a text, and where to go instead if location is not empty. A Bolt
// client gets the status alone, a gRPC client the gRPC status.
func (c *Converter) Answer(p codec.Protocol, status int, location, text []byte, asked Asked) (h codec.Head, body []byte) {
	b := &c.local
	if p == codec.Bolt {
		b.bolt = bolt.Head{
			Version: bolt.V1, Type: bolt.TypeResponse, Command: bolt.CommandResponse,
			Ver2: 1, Status: codec.BoltStatusFromHTTP(status),
		}
		return &b.bolt, nil
	}
	b.fields.reset()
	if asked.GRPC {
		b.fields.head.Status = 200
		b.fields.add("content-type", grpcType)
		b.fields.number("grpc-status", int64(codec.GRPCStatusFromHTTP(status)))
		if len(text) > 0 {
			b.fields.add("grpc-message", percentEncode(text))
		}
		return &b.fields.head, nil
	}
	b.fields.head.Status = status
	if len(location) > 0 {
		b.fields.add("location", location)
	}
	if status == 204 || status == 304 { // RFC 9110, 15.3.5 and 15.4.5
		return &b.fields.head, nil
	}
	b.fields.add("content-length", b.fields.text(strconv.Itoa(len(text))))
	if len(text) > 0 {
		b.fields.add("content-type", textPlain)
	}
	if asked.Head {
		return &b.fields.head, nil
	}
	return &b.fields.head, text
}

// percentEncode is the encoding of grpc-message: printable ASCII but for the
// percent sign stays.
func percentEncode(text []byte) []byte {
	const digits = "0123456789ABCDEF"
	var b []byte
	for _, c := range text {
		if c < ' ' || c > '~' || c == '%' {
			b = append(b, '%', digits[c>>4], digits[c&0xf])
		} else {
			b = append(b, c)
		}
	}
	return b
}
