// SPDX-License-Identifier: Apache-2.0

package propagation

import (
	"strings"
	"testing"
)

type headers map[string]string

func (h headers) Get(name string) ([]byte, bool) {
	v, ok := h[name]
	return []byte(v), ok
}

const (
	trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	span  = "00f067aa0ba902b7"
)

// said is a context in one line: its format, ids and decision.
func said(c Context) string {
	if c.Format == None {
		return "none"
	}
	word := [...]string{"", "w3c", "b3", "b3multi", "sofa"}[c.Format]
	if c.HasIDs {
		word += " " + string(c.TraceID[:]) + " " + string(c.Parent[:])
	}
	switch {
	case c.Debug:
		word += " debug"
	case c.Decided && c.Sampled:
		word += " yes"
	case c.Decided:
		word += " no"
	}
	if c.Random {
		word += " random"
	}
	if c.Short {
		word += " short"
	}
	return word
}

func TestExtract(t *testing.T) {
	ids := trace + " " + span
	short := strings.Repeat("0", 16) + trace[16:]
	for _, tt := range []struct {
		h    headers
		want string
	}{
		{headers{}, "none"},
		{headers{"traceparent": "00-" + trace + "-" + span + "-01"}, "w3c " + ids + " yes"},
		{headers{"traceparent": "00-" + trace + "-" + span + "-00"}, "w3c " + ids + " no"},
		{headers{"traceparent": "00-" + trace + "-" + span + "-03"}, "w3c " + ids + " yes random"},
		{headers{"traceparent": "00-" + trace + "-" + span + "-fe"}, "w3c " + ids + " no random"},
		{headers{"traceparent": "cc-" + trace + "-" + span + "-01-what-comes"}, "w3c " + ids + " yes"},
		{headers{"traceparent": "cc-" + trace + "-" + span + "-01"}, "w3c " + ids + " yes"},
		{headers{"traceparent": "cc-" + trace + "-" + span + "-01.what"}, "none"},
		{headers{"traceparent": "00-" + trace + "-" + span + "-01-what"}, "none"},
		{headers{"traceparent": "ff-" + trace + "-" + span + "-01"}, "none"},
		{headers{"traceparent": "00-" + strings.ToUpper(trace) + "-" + span + "-01"}, "none"},
		{headers{"traceparent": "00-" + strings.Repeat("0", 32) + "-" + span + "-01"}, "none"},
		{headers{"traceparent": "00-" + trace + "-" + strings.Repeat("0", 16) + "-01"}, "none"},
		{headers{"traceparent": "00-" + trace + "-" + span + "-0x"}, "none"},
		{headers{"traceparent": "0x-" + trace + "-" + span + "-01"}, "none"},
		{headers{"traceparent": "00_" + trace + "-" + span + "-01"}, "none"},
		{headers{"traceparent": ""}, "none"},
		{headers{"b3": trace + "-" + span + "-1"}, "b3 " + ids + " yes"},
		{headers{"b3": trace + "-" + span + "-0"}, "b3 " + ids + " no"},
		{headers{"b3": trace + "-" + span + "-d"}, "b3 " + ids + " debug"},
		{headers{"b3": trace + "-" + span}, "b3 " + ids},
		{headers{"b3": trace + "-" + span + "-1-" + span}, "b3 " + ids + " yes"},
		{headers{"b3": strings.ToUpper(trace) + "-" + span + "-1"}, "b3 " + ids + " yes"},
		{headers{"b3": trace[16:] + "-" + span + "-1"}, "b3 " + short + " " + span + " yes short"},
		{headers{"b3": "0"}, "b3 no"},
		{headers{"b3": "d"}, "b3 debug"},
		{headers{"b3": "1"}, "b3 yes"},
		{headers{"b3": "2"}, "none"},
		{headers{"b3": trace + "-" + span + "-2"}, "none"},
		{headers{"b3": trace + "-" + span + "-1-x"}, "none"},
		{headers{"b3": trace[1:] + "-" + span + "-1"}, "none"},
		{headers{"b3": trace + "-" + span[1:] + "-1"}, "none"},
		{headers{"b3": "-"}, "none"},
		{headers{"x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-sampled": "1"}, "b3multi " + ids + " yes"},
		{headers{"x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-sampled": "false"}, "b3multi " + ids + " no"},
		{headers{"x-b3-traceid": trace, "x-b3-spanid": span}, "b3multi " + ids},
		{headers{"x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-sampled": "perhaps"}, "b3multi " + ids},
		{headers{"x-b3-traceid": trace, "x-b3-spanid": span, "x-b3-flags": "1"}, "b3multi " + ids + " debug"},
		{headers{"x-b3-traceid": trace, "x-b3-sampled": "1"}, "none"},
		{headers{"x-b3-sampled": "0"}, "b3multi no"},
		{headers{"x-b3-sampled": "d"}, "none"},
		{headers{"b3": "junk", "x-b3-sampled": "1"}, "b3multi yes"},
		{headers{"traceparent": "junk", "b3": "1"}, "b3 yes"},
		{headers{"traceparent": "00-" + trace + "-" + span + "-00", "b3": "1"}, "w3c " + ids + " no"},
		{headers{"rpc_trace_context.sofaTraceId": "0a0fe8ac1716000000001100112345", "rpc_trace_context.sofaRpcId": "0.1"}, "sofa 000a0fe8ac1716000000001100112345 5dd24052fd761a0b"},
		{headers{"rpc_trace_context.sofatraceid": "0a0fe8ac1716000000001100112345", "rpc_trace_context.sofarpcid": "0.1"}, "sofa 000a0fe8ac1716000000001100112345 5dd24052fd761a0b"},
		{headers{"sofa-traceid": "0a0fe8ac1716000000001100112345", "sofa-rpcid": "0.1"}, "sofa 000a0fe8ac1716000000001100112345 5dd24052fd761a0b"},
		{headers{"rpc_trace_context.sofaTraceId": ""}, "none"},
		{headers{"rpc_trace_context.sofaTraceId": "with a space"}, "none"},
		{headers{"rpc_trace_context.sofaTraceId": strings.Repeat("a", sofaMax+1)}, "none"},
	} {
		if got := said(Extract(tt.h)); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.h, got, tt.want)
		}
	}
}

// What is no number of 128 bits is hashed: the same words have the same ids.
func TestSOFAHashes(t *testing.T) {
	long := headers{sofaTrace: strings.Repeat("12", 20), sofaSpan: "0"}
	other := headers{sofaTrace: strings.Repeat("12", 20), sofaSpan: "0.1"}
	a, b := Extract(long), Extract(other)
	if a.TraceID != b.TraceID || a.Parent == b.Parent || said(a) != said(Extract(long)) {
		t.Errorf("%q, %q", said(a), said(b))
	}
	for _, d := range a.TraceID {
		if !strings.ContainsRune(hexDigits, rune(d)) {
			t.Fatalf("%q", a.TraceID)
		}
	}
}

func TestAppend(t *testing.T) {
	c := Extract(headers{"traceparent": "00-" + trace + "-" + span + "-03"})
	for _, tt := range []struct{ got, want []byte }{
		{AppendTraceparent(nil, &c.TraceID, &c.Parent, true, true), []byte("00-" + trace + "-" + span + "-03")},
		{AppendTraceparent(nil, &c.TraceID, &c.Parent, false, false), []byte("00-" + trace + "-" + span + "-00")},
		{AppendB3(nil, []byte(trace), []byte(span), nil, true, false), []byte(trace + "-" + span + "-1")},
		{AppendB3(nil, []byte(trace), []byte(span), []byte(span), false, false), []byte(trace + "-" + span + "-0-" + span)},
		{AppendB3(nil, []byte(trace), []byte(span), nil, true, true), []byte(trace + "-" + span + "-d")},
	} {
		if string(tt.got) != string(tt.want) {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

// FuzzExtract: whatever the headers hold, what is read can be written and is read
// again as it was.
func FuzzExtract(f *testing.F) {
	for _, seed := range [][4]string{
		{"00-" + trace + "-" + span + "-01", "", "", ""},
		{"", trace + "-" + span + "-1-" + span, "", ""},
		{"", "d", "", ""},
		{"", "", trace[16:], "0a0fe8ac1716000000001100112345"},
		{"cc-" + trace + "-" + span + "-01-x", "0", trace, "0.1"},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, parent, b3, multi, sofa string) {
		c := Extract(headers{"traceparent": parent, "b3": b3, "x-b3-traceid": multi, "x-b3-spanid": span, sofaTrace: sofa, sofaSpan: parent})
		if c.Sampled && !c.Decided || c.HasIDs && c.Format == None || c.Debug && !c.Sampled {
			t.Fatalf("%q contradicts itself", said(c))
		}
		if !c.HasIDs {
			return
		}
		again := Extract(headers{"traceparent": string(AppendTraceparent(nil, &c.TraceID, &c.Parent, c.Sampled, c.Random))})
		if again.TraceID != c.TraceID || again.Parent != c.Parent || again.Sampled != c.Sampled || again.Random != c.Random {
			t.Fatalf("%q as a traceparent is %q", said(c), said(again))
		}
		again = Extract(headers{"b3": string(AppendB3(nil, c.TraceID[:], c.Parent[:], nil, c.Sampled, c.Debug))})
		if again.TraceID != c.TraceID || again.Parent != c.Parent || again.Sampled != c.Sampled || again.Debug != c.Debug {
			t.Fatalf("%q as b3 is %q", said(c), said(again))
		}
	})
}
