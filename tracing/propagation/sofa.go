// SPDX-License-Identifier: Apache-2.0

package propagation

// SOFATracer's keys: of a Bolt header map, in lower case where a proxy without
// Sideloop's description has carried them over HTTP/2, and of HTTP.
const (
	sofaTrace      = "rpc_trace_context.sofaTraceId"
	sofaSpan       = "rpc_trace_context.sofaRpcId"
	sofaTraceLower = "rpc_trace_context.sofatraceid"
	sofaSpanLower  = "rpc_trace_context.sofarpcid"
	sofaTraceHTTP  = "sofa-traceid"
	sofaSpanHTTP   = "sofa-rpcid"
)

// sofaMax is how long an id of SOFATracer may be: theirs have some 30 characters.
const sofaMax = 128

// sofa reads SOFATracer's ids. Its trace id, the sender's address in hexadecimal
// with digits behind, is taken as a number where it fits into one of 128 bits, so
// that it can be recognised; the span's, a path such as 0.1.2, is hashed with it.
// No decision is known to the keys.
func (c *Context) sofa(h Headers) bool {
	trace, span := sofaIDs(h)
	if len(trace) == 0 || len(trace) > sofaMax || len(span) > sofaMax || !printable(trace) || !printable(span) {
		return false
	}
	if !padded(c.TraceID[:], trace) {
		digits := AppendHex(c.TraceID[:0], hash(fnvOffset, trace))
		AppendHex(digits, hash(fnvOffset+1, trace))
	}
	AppendHex(c.Parent[:0], hash(hash(fnvOffset, trace), span))
	c.Format, c.HasIDs = SOFA, true
	c.OriginTrace, c.OriginSpan = trace, span
	return true
}

func sofaIDs(h Headers) (trace, span []byte) {
	for _, names := range [...][2]string{{sofaTrace, sofaSpan}, {sofaTraceLower, sofaSpanLower}, {sofaTraceHTTP, sofaSpanHTTP}} {
		if trace, ok := h.Get(names[0]); ok {
			span, _ = h.Get(names[1])
			return trace, span
		}
	}
	return nil, nil
}

func printable(v []byte) bool {
	for _, b := range v {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return true
}

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// hash is FNV-1a from a basis on, and never 0, which is no id.
func hash(basis uint64, v []byte) uint64 {
	for _, b := range v {
		basis = (basis ^ uint64(b)) * fnvPrime
	}
	return max(basis, 1)
}
