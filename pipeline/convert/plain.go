// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"bytes"
	"math"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
)

// What a client that is no sidecar says in HTTP's own terms: the service and
// the method by the path, the serialisation by content-type, the deadline by
// grpc-timeout. What it says by a field of the Bolt frame or of its header map
// counts more.

// Pairs of the header map that name what is called.
const (
	pairService       = "service"
	pairTargetService = "sofa_head_target_service"
	pairMethod        = "sofa_head_method_name"
)

// Serialisation codecs that have a media type.
const (
	codecProtobuf byte = 11
	codecJSON     byte = 12
)

var (
	typeProtobuf = []byte("application/x-protobuf")
	typeJSON     = []byte("application/json")
)

// mediaType is the content-type of content in a serialisation, nil for those
// that have none.
func mediaType(serialisation byte) []byte {
	switch serialisation {
	case codecProtobuf:
		return typeProtobuf
	case codecJSON:
		return typeJSON
	}
	return nil
}

// serialisation is the codec of a media type, 0 for one that has none.
func serialisation(mediaType []byte) byte {
	if i := bytes.IndexByte(mediaType, ';'); i >= 0 {
		mediaType = mediaType[:i] // parameters, such as charset
	}
	switch string(bytes.TrimSpace(mediaType)) {
	case "application/json":
		return codecJSON
	case "application/x-protobuf", "application/protobuf":
		return codecProtobuf
	}
	return 0
}

// plainCall adds to b what h says without Bolt's words.
func plainCall(m *mapBuilder, h *http2.Head, b *bolt.Head) codec.Reason {
	if t, ok := h.Get("content-type"); ok {
		if _, stated := h.Get(nameCodec); !stated {
			if s := serialisation(t); s != 0 {
				b.Codec = s
			}
		}
	}
	if d, ok := h.Timeout(); ok {
		if _, stated := h.Get(nameTimeout); !stated {
			// Rounded up: zero would mean that there is no deadline.
			ms := d / time.Millisecond
			if d%time.Millisecond > 0 || ms == 0 {
				ms++
			}
			b.TimeoutMS = int32(min(ms, math.MaxInt32))
		}
	}
	if _, named := b.Map.Get(pairService); named {
		return codec.ReasonNone
	}
	service, method, ok := splitPath(h.PathName)
	if !ok {
		return codec.ReasonNone
	}
	m.encoded = bolt.AppendPair(m.encoded, []byte(pairService), service)
	if _, stated := b.Map.Get(pairTargetService); !stated {
		m.encoded = bolt.AppendPair(m.encoded, []byte(pairTargetService), service)
	}
	if _, stated := b.Map.Get(pairMethod); !stated {
		m.encoded = bolt.AppendPair(m.encoded, []byte(pairMethod), method)
	}
	if len(m.encoded) > math.MaxUint16 {
		return codec.HeaderTooLarge
	}
	b.Map = bolt.HeaderMap(m.encoded)
	return codec.ReasonNone
}

// splitPath splits "/service/method". Names with escapes, or of other shapes,
// are no names: nothing is guessed.
func splitPath(path []byte) (service, method []byte, ok bool) {
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		path = path[:i]
	}
	if len(path) == 0 || path[0] != '/' || bytes.IndexByte(path, '%') >= 0 {
		return nil, nil, false
	}
	service, method, ok = bytes.Cut(path[1:], []byte("/"))
	return service, method, ok && len(service) > 0 && len(method) > 0 && bytes.IndexByte(method, '/') < 0
}
