// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"strconv"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline"
)

// memory is what a loop remembers from line to line of one format.
type memory struct {
	clock     clock
	addresses addresses
	names     []byte // room for those of TLS
	last      *constants
	constants [constantsKept]*constants
}

// append appends the line of a request.
func (f *format) append(dst []byte, r *pipeline.Ended, m *memory) []byte {
	var kept *constants
	if len(f.runs) > 0 {
		kept = f.constants(r, m)
	}
	room := valuesMax
	for i := range f.steps {
		s := &f.steps[i]
		switch {
		case s.simple:
			// As appendSegment does for these, without looking at what they may be.
			start := len(dst)
			if dst = s.first.append(dst, r, m, f.how, room); len(dst) == start {
				dst = append(dst, '-')
			}
			room = max(room-(len(dst)-start), 0)
			dst = append(dst, s.first.text[0])
		case s.run < 0:
			dst, room = f.appendSegment(dst, s.first, r, m, room)
		case kept != nil:
			dst = append(dst, kept.run(s.run)...)
		default:
			dst, room = f.appendSegments(dst, s.segments, r, m, room)
		}
	}
	return dst
}

// appendSegments appends a run of segments, of which peers have sent at most room
// bytes, and returns how much room they leave.
func (f *format) appendSegments(dst []byte, list []segment, r *pipeline.Ended, m *memory, room int) ([]byte, int) {
	for i := range list {
		dst, room = f.appendSegment(dst, &list[i], r, m, room)
	}
	return dst, room
}

// appendSegment appends a variable with the text behind it, and returns how much room
// it leaves.
func (f *format) appendSegment(dst []byte, s *segment, r *pipeline.Ended, m *memory, room int) ([]byte, int) {
	start := len(dst)
	switch {
	case !s.variable:
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
	return append(dst, s.text...), room
}

// appendDropped appends the line that tells how many are missing.
func appendDropped(dst []byte, how escaping, n uint64) []byte {
	before, after := "dropped_lines=", "\n"
	if how == inJSON {
		before, after = `{"dropped_lines":`, "}\n"
	}
	return append(strconv.AppendUint(append(dst, before...), n, 10), after...)
}
