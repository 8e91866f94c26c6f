// SPDX-License-Identifier: Apache-2.0

package tracing

import "github.com/sideloop/sideloop/tracing/propagation"

// trace is how one request stands in a trace. It implements filter.Trace. A loop
// uses them again.
type trace struct {
	context propagation.Context
	span    [16]byte
	sampled bool
	client  bool
	// text is what is kept of the request's headers, and what is written into
	// them; it does not grow beyond its room.
	text         []byte
	state        []byte
	origin, path []byte
	next         *trace
}

const (
	// stateMax is the longest tracestate that a span has: what the standard asks
	// to be carried.
	stateMax = 512
	// textRoom is what a trace may write: the state, SOFATracer's ids, and the
	// headers of three formats.
	textRoom = 2*128 + stateMax + 55 + 4*70
)

// IDs implements filter.Trace.
func (t *trace) IDs() (id, span []byte) {
	if t.context.HasIDs {
		id = t.context.TraceID[:]
	}
	if t.sampled {
		span = t.span[:]
	}
	return id, span
}

// keep copies what outlives the request's head.
func (t *trace) keep(v []byte, limit int) []byte {
	if len(v) > limit || len(v) > cap(t.text)-len(t.text) {
		return nil
	}
	start := len(t.text)
	t.text = append(t.text, v...)
	return t.text[start:len(t.text):len(t.text)]
}

// written is what was appended to text since its length was start.
func (t *trace) written(start int) []byte { return t.text[start:len(t.text):len(t.text)] }
