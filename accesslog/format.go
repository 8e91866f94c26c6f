// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"strconv"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline"
)

// valuesMax is how many bytes of a line may come from its request, so that lines
// fit a block: several kilobytes of headers, escaped.
const valuesMax = 16 << 10

// format is lines of one shape, compiled. All loops share it.
type format struct {
	segments []segment
	how      escaping
}

// segment is literal text, or a variable behind it.
type segment struct {
	text     string
	variable bool
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
	return f
}

func (f *format) literal(s string) {
	if n := len(f.segments); n > 0 && !f.segments[n-1].variable {
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

// memory is what a loop remembers from line to line.
type memory struct {
	clock     clock
	addresses addresses
}

// append appends the line of a request.
func (f *format) append(dst []byte, r *pipeline.Ended, m *memory) []byte {
	room := valuesMax
	for i := range f.segments {
		s := &f.segments[i]
		if !s.variable {
			dst = append(dst, s.text...)
			continue
		}
		start := len(dst)
		switch {
		case !s.alone:
			if dst = s.append(dst, r, m, f.how, room); len(dst) == start {
				dst = append(dst, '-')
			}
		case s.kind.Number() || s.kind == config.LogOneWay:
			if dst = s.append(dst, r, m, f.how, room); len(dst) == start {
				dst = append(dst, "null"...)
			}
		default:
			dst = append(dst, '"')
			if dst = s.append(dst, r, m, f.how, room); len(dst) == start+1 {
				dst = append(dst[:start], "null"...)
			} else {
				dst = append(dst, '"')
			}
		}
		room = max(room-(len(dst)-start), 0)
	}
	return dst
}

// appendDropped appends the line that tells how many are missing.
func appendDropped(dst []byte, how escaping, n uint64) []byte {
	before, after := "dropped_lines=", "\n"
	if how == inJSON {
		before, after = `{"dropped_lines":`, "}\n"
	}
	return append(strconv.AppendUint(append(dst, before...), n, 10), after...)
}
