// SPDX-License-Identifier: Apache-2.0

package health

import (
	"encoding/binary"
	"fmt"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// The one call of grpc.health.v1 and the numbers of its messages: a string and
// an enumeration, not worth a library for gRPC and one for protobuf.
const (
	grpcHealthPath = "/grpc.health.v1.Health/Check"
	grpcPrefix     = 5    // of a message: compressed:1 length:4
	grpcService    = 0x0a // field 1 of the request, a string
	grpcStatus     = 0x08 // field 1 of the reply, a number
	grpcServing    = 1
	// grpcReplyLimit is far above the two bytes of a reply.
	grpcReplyLimit = 1 << 10
)

// grpcServings are the names of the enumeration.
var grpcServings = [...]string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}

// grpcReply is what a reply has told so far.
type grpcReply struct {
	status  string // grpc-status, empty before it came
	message []byte
	tooLong bool
}

func (r *grpcReply) note(h codec.Head) {
	if v, ok := h.Get("grpc-status"); ok {
		r.status = string(v)
	}
}

func (r *grpcReply) keep(b []byte) {
	if len(r.message)+len(b) > grpcReplyLimit {
		r.tooLong = true
		return
	}
	r.message = append(r.message, b...)
}

func (s *http2Session) askGRPC() (bool, error) {
	h := s.head()
	h.MethodName, h.PathName = []byte("POST"), []byte(grpcHealthPath)
	h.Fields = append(h.Fields,
		hpack.Field{Name: []byte("content-type"), Value: []byte("application/grpc")},
		hpack.Field{Name: []byte("te"), Value: []byte("trailers")})
	if _, err := s.request(h, grpcQuestion(s.asker.check.Request.Service)); err != nil {
		return false, err
	}
	if err := s.until(func() bool { return s.reply.ended }); err != nil {
		return false, err
	}
	if s.reply.reset {
		return false, wrongAnswer("reset: " + s.reason.String())
	}
	return true, s.reply.grpcVerdict()
}

// grpcQuestion is the message HealthCheckRequest{service}.
func grpcQuestion(service string) []byte {
	b := make([]byte, grpcPrefix)
	if service != "" {
		b = append(b, grpcService)
		b = binary.AppendUvarint(b, uint64(len(service)))
		b = append(b, service...)
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-grpcPrefix))
	return b
}

// grpcVerdict is nil for a host that serves.
func (r *reply) grpcVerdict() error {
	switch g := &r.grpc; {
	case r.status != 200:
		return wrongAnswer(fmt.Sprintf("status %d", r.status))
	case g.status != "0":
		return wrongAnswer(fmt.Sprintf("grpc-status %.16q", g.status))
	case g.tooLong || len(g.message) < grpcPrefix || g.message[0] != 0 ||
		int64(binary.BigEndian.Uint32(g.message[1:])) != int64(len(g.message)-grpcPrefix):
		return wrongAnswer("not a reply of grpc.health.v1")
	}
	status, ok := servingStatus(r.grpc.message[grpcPrefix:])
	switch {
	case !ok:
		return wrongAnswer("not a reply of grpc.health.v1")
	case status == grpcServing:
		return nil
	case status < uint64(len(grpcServings)):
		return wrongAnswer(grpcServings[status])
	}
	return wrongAnswer(fmt.Sprintf("serving status %d", status))
}

// servingStatus reads HealthCheckResponse. Fields that it does not know are
// skipped, the last status counts, and without one it is 0 (proto3).
func servingStatus(b []byte) (status uint64, ok bool) {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, false
		}
		b = b[n:]
		size := 0
		switch tag & 7 {
		case 0: // a varint
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return 0, false
			}
			if size = n; tag == grpcStatus {
				status = v
			}
		case 1:
			size = 8
		case 2:
			l, n := binary.Uvarint(b)
			if n <= 0 || l > uint64(len(b)) {
				return 0, false
			}
			size = n + int(l)
		case 5:
			size = 4
		default:
			return 0, false
		}
		if size > len(b) {
			return 0, false
		}
		b = b[size:]
	}
	return status, true
}
