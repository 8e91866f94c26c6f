// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
)

// Called is what the request with head h calls, whose client speaks from: its
// method and path, or of Bolt service and method, as far as they are stated.
func Called(h codec.Head, from codec.Protocol) (first, second []byte) {
	if b, ok := h.(*bolt.Head); ok {
		return CalledBy(b.Map)
	}
	if from == codec.Bolt {
		// The pairs of its header map have become headers.
		if service, method := called(h.Get); service != nil {
			return service, method
		}
	}
	return h.Method(), h.Path()
}

// Pairs is the header map of a Bolt head, nil for others.
func Pairs(h codec.Head) []byte {
	if b, ok := h.(*bolt.Head); ok {
		return b.Map
	}
	return nil
}

// CalledBy is the service and the method that a header map names, of which the
// end may have been cut off.
func CalledBy(pairs []byte) (service, method []byte) { return called(bolt.HeaderMap(pairs).Get) }

func called(get func(string) ([]byte, bool)) (service, method []byte) {
	service, ok := get(pairTargetService)
	if !ok {
		service, _ = get(pairService)
	}
	method, _ = get(pairMethod)
	return service, method
}
