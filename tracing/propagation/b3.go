// SPDX-License-Identifier: Apache-2.0

package propagation

import "bytes"

// Headers of B3.
const (
	B3Single   = "b3"
	B3TraceID  = "x-b3-traceid"
	B3SpanID   = "x-b3-spanid"
	B3ParentID = "x-b3-parentspanid"
	B3Sampled  = "x-b3-sampled"
	B3Flags    = "x-b3-flags"
)

// b3 reads TRACE-SPAN, TRACE-SPAN-STATE, TRACE-SPAN-STATE-PARENT or STATE.
func (c *Context) b3(v []byte) bool {
	trace, rest, more := bytes.Cut(v, dash)
	if !more {
		ok := c.state(v)
		if ok {
			c.Format = B3
		}
		return ok
	}
	span, rest, hasState := bytes.Cut(rest, dash)
	if !c.ids(trace, span) {
		return false
	}
	if hasState {
		state, parent, hasParent := bytes.Cut(rest, dash)
		var ignored [16]byte
		if !c.state(state) || hasParent && (len(parent) != len(ignored) || !hexID(ignored[:], parent)) {
			return false
		}
	}
	c.Format = B3
	return true
}

var dash = []byte("-")

// ids takes a trace id of 64 or 128 bits and a span id.
func (c *Context) ids(trace, span []byte) bool {
	if len(trace) != 16 && len(trace) != 32 || len(span) != 16 {
		return false
	}
	if !padded(c.TraceID[:], trace) || !hexID(c.Parent[:], span) {
		return false
	}
	c.HasIDs, c.Short = true, len(trace) == 16
	return true
}

// state takes a decision: no, yes, debug.
func (c *Context) state(v []byte) bool {
	switch string(v) {
	case "0", "false":
	case "1", "true":
		c.Sampled = true
	case "d":
		c.Sampled, c.Debug = true, true
	default:
		return false
	}
	c.Decided = true
	return true
}

// b3Multi reads the several headers. A sampling header that does not parse leaves
// the decision to the proxy.
func (c *Context) b3Multi(h Headers) bool {
	read := Context{}
	if trace, ok := h.Get(B3TraceID); ok {
		span, _ := h.Get(B3SpanID)
		if !read.ids(trace, span) {
			return false
		}
	}
	if v, ok := h.Get(B3Flags); ok && string(v) == "1" {
		read.Decided, read.Sampled, read.Debug = true, true, true
	} else if v, ok := h.Get(B3Sampled); ok && string(v) != "d" {
		read.state(v)
	}
	if !read.HasIDs && !read.Decided {
		return false
	}
	*c = read
	c.Format = B3Multi
	return true
}

// AppendB3 appends the one header of B3.
func AppendB3(dst, trace, span, parent []byte, sampled, debug bool) []byte {
	state := byte('0')
	switch {
	case debug:
		state = 'd'
	case sampled:
		state = '1'
	}
	dst = append(append(append(dst, trace...), '-'), span...)
	dst = append(dst, '-', state)
	if len(parent) > 0 {
		dst = append(append(dst, '-'), parent...)
	}
	return dst
}
