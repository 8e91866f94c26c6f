// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline"
)

// valuesMax is how many bytes of a line may come from its request, so that lines
// fit a block: several kilobytes of headers, escaped.
const valuesMax = 16 << 10

// format is lines of one shape, compiled. All loops share it.
type format struct {
	segments []segment
	steps    []step
	// runs are those segments of steps whose text is kept.
	runs [][]segment
	how  escaping
}

// step is a segment, or a run of segments that are the same for all requests that are
// alike; run is its index then, else negative.
type step struct {
	segments []segment
	first    *segment
	run      int
	// simple is one variable of a text with one byte behind it.
	simple bool
}

// segment is a variable, if it is one, and the literal text behind it.
type segment struct {
	variable bool
	text     string
	kind     config.LogKind
	name     string
	// headers are the indexes in Ended.Request, or in Ended.Reply, of what the
	// variable is made of.
	headers [headersMax]int
	// alone is a variable that is the whole value of a JSON key: a number is one
	// there, and what has no value is null.
	alone bool
}

// headersMax is how many headers are looked at for one variable.
const headersMax = 3

// compile notes in want what the variables need.
func compile(c *config.AccessLog, want *pipeline.Wanted) *format {
	f := &format{}
	if c.Fields != nil {
		f.how = inJSON
		f.object(c.Fields, want)
	} else {
		f.line(c.Line, want)
	}
	f.literal("\n")
	f.divide()
	return f
}

// divide makes steps of the segments.
func (f *format) divide() {
	for i := 0; i < len(f.segments); {
		end := i
		for end < len(f.segments) && constant(f.segments[end].kind) && f.segments[end].variable {
			end++
		}
		if end == i || len(f.runs) == runsMax {
			s := &f.segments[i]
			f.steps = append(f.steps, step{f.segments[i : i+1], s, -1, s.variable && !s.alone && len(s.text) == 1})
			i++
			continue
		}
		run := f.segments[i:end]
		f.steps = append(f.steps, step{run, &run[0], len(f.runs), false})
		f.runs = append(f.runs, run)
		i = end
	}
}

func (f *format) literal(s string) {
	if n := len(f.segments); n > 0 {
		f.segments[n-1].text += s
	} else {
		f.segments = append(f.segments, segment{text: s})
	}
}

func (f *format) line(list []config.LogSegment, want *pipeline.Wanted) {
	for _, s := range list {
		switch {
		case s.Variable != nil:
			f.variable(s.Variable, want, false)
		case f.how == inJSON:
			f.literal(string(appendEscaped(nil, s.Text, inJSON, len(s.Text)*6)))
		default:
			f.literal(s.Text)
		}
	}
}

func (f *format) object(fields []config.LogField, want *pipeline.Wanted) {
	next := `{"`
	for i := range fields {
		d := &fields[i]
		f.literal(next)
		f.literal(string(appendEscaped(nil, d.Name, inJSON, len(d.Name)*6)))
		f.literal(`":`)
		switch {
		case d.Object != nil:
			f.object(d.Object, want)
		case len(d.Value) == 1 && d.Value[0].Variable != nil:
			f.variable(d.Value[0].Variable, want, true)
		default:
			f.literal(`"`)
			f.line(d.Value, want)
			f.literal(`"`)
		}
		next = `,"`
	}
	f.literal("}")
}

func (f *format) variable(v *config.LogVariable, want *pipeline.Wanted, alone bool) {
	s := segment{variable: true, kind: v.Kind, name: v.Name, alone: alone, headers: [headersMax]int{-1, -1, -1}}
	if v.Kind >= config.LogMethod && v.Kind <= config.LogQuery || v.Kind == config.LogParameter || v.Kind == config.LogClass {
		want.Target()
	}
	for i, name := range headersOf(v) {
		if v.Kind == config.LogReplyHeader {
			s.headers[i] = want.ReplyHeader(name)
		} else {
			s.headers[i] = want.RequestHeader(name)
		}
	}
	f.segments = append(f.segments, s)
}

// headersOf are the headers that a variable is made of, by preference.
func headersOf(v *config.LogVariable) []string {
	switch v.Kind {
	case config.LogService:
		return []string{"sofa_head_target_service", "service"}
	case config.LogOperation:
		return []string{"sofa_head_method_name"}
	case config.LogTraceID:
		return []string{"traceparent", "x-b3-traceid", "rpc_trace_context.sofaTraceId"}
	case config.LogCookie:
		return []string{"cookie"}
	case config.LogRequestHeader, config.LogReplyHeader:
		return []string{v.Name}
	}
	return nil
}
