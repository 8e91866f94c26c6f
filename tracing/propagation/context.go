// SPDX-License-Identifier: Apache-2.0

package propagation

// Headers is where a context is read from: HTTP/2 names are lower case, Bolt keys
// are as the client wrote them.
type Headers interface {
	Get(name string) (value []byte, ok bool)
}

// Format is one of the ways in which headers tell of a trace.
type Format uint8

const (
	None Format = iota
	W3C
	B3
	B3Multi
	SOFA
)

// Context is what the headers of a request say. Without a Format there is none.
type Context struct {
	// Format is the one that counts: the first that is there, in the order of
	// the constants.
	Format Format
	// TraceID and Parent, the sender's span, are in lower-case hexadecimal.
	// HasIDs is false where B3 states a decision alone.
	TraceID [32]byte
	Parent  [16]byte
	HasIDs  bool
	// Decided tells that the sender has decided whether the trace is Sampled.
	Decided, Sampled bool
	// Debug is B3's wish that a trace is sampled whatever the rates are.
	Debug bool
	// Random is the flag of W3C Trace Context 2 that the trace's id is random.
	Random bool
	// Short tells of B3's trace ids of 64 bits.
	Short bool
	// State is the tracestate of a W3C context; OriginTrace and OriginSpan are
	// SOFATracer's own words. They are views of the headers.
	State                   []byte
	OriginTrace, OriginSpan []byte
}

// Extract reads the context of a request.
func Extract(h Headers) (c Context) {
	if v, ok := h.Get(Traceparent); ok && c.traceparent(v) {
		c.State, _ = h.Get(Tracestate)
		return c
	}
	if v, ok := h.Get(B3Single); ok && c.b3(v) {
		return c
	}
	if c.b3Multi(h) || c.sofa(h) {
		return c
	}
	return Context{}
}

const hexDigits = "0123456789abcdef"

// hexID copies an id in lower case. It is false for what is not hexadecimal, and
// for zeros only, which is no id. dst and src have the same length.
func hexID(dst, src []byte) bool {
	any := byte(0)
	for i, b := range src {
		switch {
		case '0' <= b && b <= '9':
			any |= b - '0'
		case 'a' <= b && b <= 'f':
			any = 1
		case 'A' <= b && b <= 'F':
			any, b = 1, b+('a'-'A')
		default:
			return false
		}
		dst[i] = b
	}
	return any != 0
}

// padded copies an id that may be shorter than dst.
func padded(dst, src []byte) bool {
	n := len(dst) - len(src)
	if n < 0 {
		return false
	}
	for i := range n {
		dst[i] = '0'
	}
	return hexID(dst[n:], src)
}

// AppendHex appends n in 16 digits.
func AppendHex(dst []byte, n uint64) []byte {
	for shift := 60; shift >= 0; shift -= 4 {
		dst = append(dst, hexDigits[n>>shift&0xf])
	}
	return dst
}
