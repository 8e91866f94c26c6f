// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"math"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
)

// noStatus stands for a status that a reply does not have.
const noStatus = -1

// Statuses are what the head of a reply says in the terms of each protocol, for
// conditions of retries. A Bolt status, which a reply over HTTP/2 may carry, too,
// stands for one of HTTP. A gRPC status is in the head of replies that have no
// message.
func Statuses(h codec.Head) (http, grpc, boltStatus int) {
	if h, ok := h.(*bolt.Head); ok {
		return h.HTTPStatus(), noStatus, int(h.Status)
	}
	http, grpc, boltStatus = h.HTTPStatus(), statusNumber(h, "grpc-status"), noStatus
	if _, sidecar := h.Get(nameProtocol); sidecar {
		if s := statusNumber(h, nameStatus); s >= 0 && s <= math.MaxUint16 {
			http, boltStatus = codec.HTTPStatusFromBolt(uint16(s)), s
		}
	}
	return http, grpc, boltStatus
}

func statusNumber(h codec.Head, name string) int {
	v, ok := h.Get(name)
	if !ok {
		return noStatus
	}
	if n, ok := Decimal(v); ok && n <= math.MaxInt32 {
		return int(n)
	}
	return noStatus
}

// Decimal reads digits and nothing else, which a header field may be.
func Decimal(v []byte) (n int64, ok bool) {
	const most = 18 // digits that always fit
	if len(v) == 0 || len(v) > most {
		return 0, false
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
