// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
)

// Headers of MOSN by which a request states its timeouts, in milliseconds.
const (
	globalTimeoutHeader = "x-mosn-global-timeout"
	tryTimeoutHeader    = "x-mosn-try-timeout"
)

// Timeouts are those that a request states by MOSN's headers, for all of it and
// for each try; 0 where it states none. Every request is looked at, so most heads
// are not walked, and none is twice.
func Timeouts(h codec.Head) (whole, try time.Duration) {
	if !MayStateTimeouts(h) {
		return 0, 0
	}
	switch h := h.(type) {
	case *http2.Head:
		for i := range h.Fields {
			if f := &h.Fields[i]; mayStateTimeout(f.Name) {
				readTimeout(f.Name, f.Value, &whole, &try)
			}
		}
	case *bolt.Head:
		for m := h.Map; len(m) > 0; {
			p, rest, ok := m.Next()
			if !ok {
				break
			}
			if mayStateTimeout(p.Key) {
				readTimeout(p.Key, p.Value, &whole, &try)
			}
			m = rest
		}
	}
	return whole, try
}

// MayStateTimeouts is false where Timeouts surely finds none.
func MayStateTimeouts(h codec.Head) bool {
	switch h := h.(type) {
	case *http2.Head:
		return h.MayHave(globalTimeoutHeader) || h.MayHave(tryTimeoutHeader)
	case *bolt.Head:
		return h.MayHave(globalTimeoutHeader) || h.MayHave(tryTimeoutHeader)
	}
	return false
}

// mayStateTimeout tells most names by their length.
func mayStateTimeout(name []byte) bool {
	return len(name) == len(globalTimeoutHeader) || len(name) == len(tryTimeoutHeader)
}

func readTimeout(name, value []byte, whole, try *time.Duration) {
	switch string(name) {
	case globalTimeoutHeader:
		*whole = milliseconds(value)
	case tryTimeoutHeader:
		*try = milliseconds(value)
	}
}

// longestTimeout is as good as none, and far from what overflows.
const longestTimeout = 24 * time.Hour

// milliseconds is 0 for what is no number.
func milliseconds(value []byte) time.Duration {
	n, _ := Decimal(value)
	return time.Duration(min(n, int64(longestTimeout/time.Millisecond))) * time.Millisecond
}
