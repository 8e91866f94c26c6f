// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"encoding/binary"
	"strconv"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// responseClass is the class that SofaRPC's clients expect of a reply.
var responseClass = []byte("com.alipay.sofa.rpc.core.response.SofaResponse")

const (
	// replyFields is the most fields that a reply has: content-type and
	// content-length or grpc-encoding.
	replyFields = 2
	// maxDigits is the length of the largest content-length.
	maxDigits = 20
	// grpcPrefix is a flag and the length before each message of gRPC.
	grpcPrefix = 5
)

var (
	contentType   = []byte("content-type")
	contentLength = []byte("content-length")
	octets        = []byte("application/octet-stream")
	grpcType      = []byte("application/grpc")
	grpcEncoding  = []byte("grpc-encoding")
	grpcStatus    = []byte("grpc-status")

	grpcOK       = &http2.Head{Fields: []hpack.Field{{Name: grpcStatus, Value: []byte("0")}}}
	grpcInternal = &http2.Head{Fields: []hpack.Field{{Name: grpcStatus, Value: []byte("13")}}}
	// grpcFailure is a reply without content, whose only block has both the
	// head and the status.
	grpcFailure = &http2.Head{Status: 200, Fields: []hpack.Field{
		{Name: contentType, Value: grpcType}, {Name: grpcStatus, Value: []byte("13")},
	}}
	httpFailure = &http2.Head{Status: 500, Fields: []hpack.Field{{Name: contentLength, Value: []byte("0")}}}
)

// boltEcho is the head of an echo, valid as long as the request's.
func (e *echoCall) boltEcho(r *bolt.Head) *bolt.Head {
	e.boltReply = bolt.Head{
		Type: bolt.TypeResponse, Command: bolt.CommandResponse, Codec: r.Codec,
		Class: responseClass, Map: r.Map, ContentLength: r.ContentLength,
	}
	return &e.boltReply
}

// httpEcho is the head of an echo over HTTP or gRPC, valid as long as the
// request's.
func (e *echoCall) httpEcho(r *http2.Head) *http2.Head {
	e.h2Reply = http2.Head{Status: 200, Fields: e.fields[:0]}
	kind, ok := r.Get("content-type")
	if !ok {
		kind = octets
	}
	e.addField(contentType, kind)
	if e.kind == callGRPC {
		if encoding, ok := r.Get("grpc-encoding"); ok {
			e.addField(grpcEncoding, encoding)
		}
	} else if n := r.BodyLength(); n >= 0 {
		e.addLength(n)
	}
	return &e.h2Reply
}

func (e *echoCall) addField(name, value []byte) {
	e.h2Reply.Fields = append(e.h2Reply.Fields, hpack.Field{Name: name, Value: value})
}

func (e *echoCall) addLength(n int64) {
	e.addField(contentLength, strconv.AppendInt(e.length[:0], n, 10))
}

// grpcTail ends an echo: what does not end with a message is the client's fault.
func (e *echoCall) grpcTail() *http2.Head {
	if e.frames.torn() {
		return grpcInternal
	}
	return grpcOK
}

// reply answers a request that has been read and is not echoed.
func (e *echoCall) reply() {
	if e.act == actFail {
		e.replyFailure()
		return
	}
	echo := e.conn.loop.echo
	e.replied = true
	e.rest = echo.body
	switch e.kind {
	case callBolt:
		e.boltReply = bolt.Head{
			Type: bolt.TypeResponse, Command: bolt.CommandResponse, Codec: e.boltReply.Codec,
			Class: responseClass, ContentLength: uint32(len(e.rest)),
		}
		if len(e.rest) <= replyChunk {
			e.stream.SendHeaders(&e.boltReply, e.rest, true)
			e.done()
			return
		}
		e.stream.SendHeaders(&e.boltReply, nil, false)
	case callGRPC:
		e.rest = echo.framed
		e.h2Reply = http2.Head{Status: 200, Fields: e.fields[:0]}
		e.addField(contentType, grpcType)
		e.stream.SendHeaders(&e.h2Reply, nil, false)
	default:
		e.h2Reply = http2.Head{Status: 200, Fields: e.fields[:0]}
		e.addField(contentType, octets)
		e.addLength(int64(len(e.rest)))
		e.stream.SendHeaders(&e.h2Reply, nil, e.bare)
		if e.bare {
			e.done()
			return
		}
	}
	e.sendRest()
}

// replyChunk is how much of a large reply is given to a stream at a time.
const replyChunk = 64 << 10

// sendRest sends what the client takes of a reply.
func (e *echoCall) sendRest() {
	for len(e.rest) > 0 && !e.stream.Blocked() {
		b := e.rest[:min(len(e.rest), replyChunk)]
		e.rest = e.rest[len(b):]
		e.stream.SendData(b, len(e.rest) == 0 && e.kind != callGRPC)
	}
	if len(e.rest) > 0 {
		return
	}
	if e.kind == callGRPC {
		e.stream.SendTrailers(grpcOK)
	}
	e.done()
}

func (e *echoCall) replyFailure() {
	switch e.kind {
	case callBolt:
		e.boltReply = bolt.Head{
			Type: bolt.TypeResponse, Command: bolt.CommandResponse, Codec: e.boltReply.Codec,
			Class: responseClass, Status: codec.BoltServerException,
		}
		e.stream.SendHeaders(&e.boltReply, nil, true)
	case callGRPC:
		e.stream.SendHeaders(grpcFailure, nil, true)
	default:
		e.stream.SendHeaders(httpFailure, nil, true)
	}
	e.done()
}

// messageFrames follows the messages of gRPC in a body that comes in pieces.
type messageFrames struct {
	prefix [grpcPrefix]byte
	got    int    // bytes of prefix
	left   uint32 // bytes of the message after it
}

func (f *messageFrames) take(b []byte) {
	for len(b) > 0 {
		if f.got < grpcPrefix {
			n := copy(f.prefix[f.got:], b)
			f.got += n
			b = b[n:]
			if f.got == grpcPrefix {
				f.left = binary.BigEndian.Uint32(f.prefix[1:])
			}
		}
		n := min(uint64(len(b)), uint64(f.left))
		f.left -= uint32(n)
		b = b[n:]
		if f.got == grpcPrefix && f.left == 0 {
			f.got = 0
		}
	}
}

// torn tells that the body ended within a message.
func (f *messageFrames) torn() bool { return f.got > 0 }
