// SPDX-License-Identifier: Apache-2.0

package propagation

// Headers of W3C Trace Context.
const (
	Traceparent = "traceparent"
	Tracestate  = "tracestate"
)

const (
	traceparentLen = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	flagSampled    = 0x01
	flagRandom     = 0x02
)

// traceparent reads VERSION-TRACE-PARENT-FLAGS. What a later version has behind
// the flags is not looked at (Trace Context, 4.3).
func (c *Context) traceparent(v []byte) bool {
	if len(v) < traceparentLen || v[2] != '-' || v[35] != '-' || v[52] != '-' {
		return false
	}
	version, ok := hexByte(v[0], v[1])
	if !ok || version == 0xff || version == 0 && len(v) != traceparentLen || len(v) > traceparentLen && v[traceparentLen] != '-' {
		return false
	}
	flags, ok := hexByte(v[53], v[54])
	if !ok || hasUpper(v[:traceparentLen]) || !hexID(c.TraceID[:], v[3:35]) || !hexID(c.Parent[:], v[36:52]) {
		return false
	}
	c.Format, c.HasIDs, c.Decided = W3C, true, true
	c.Sampled = flags&flagSampled != 0
	c.Random = flags&flagRandom != 0
	return true
}

func hexByte(hi, lo byte) (byte, bool) {
	h, l := nibble(hi), nibble(lo)
	return h<<4 | l, h < 16 && l < 16
}

// nibble is 16 for what is no lower-case digit.
func nibble(b byte) byte {
	switch {
	case '0' <= b && b <= '9':
		return b - '0'
	case 'a' <= b && b <= 'f':
		return b - 'a' + 10
	}
	return 16
}

func hasUpper(v []byte) bool {
	for _, b := range v {
		if 'A' <= b && b <= 'F' {
			return true
		}
	}
	return false
}

// AppendTraceparent appends the header by which a request goes on in a trace.
func AppendTraceparent(dst []byte, trace *[32]byte, span *[16]byte, sampled, random bool) []byte {
	dst = append(append(dst, "00-"...), trace[:]...)
	dst = append(append(dst, '-'), span[:]...)
	flags := byte(0)
	if sampled {
		flags |= flagSampled
	}
	if random {
		flags |= flagRandom
	}
	return append(dst, '-', '0', hexDigits[flags])
}
