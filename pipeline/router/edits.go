// SPDX-License-Identifier: Apache-2.0

package router

import (
	"encoding/binary"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
)

// Edits are the changes to the headers of one direction, in their order: those
// of the route, of its virtual host and of its router.
type Edits struct {
	list []edit
	// notes: a reply's values use what only the request knows.
	notes bool
}

// edit removes a header, or adds it where value is not nil.
type edit struct {
	name  []byte
	add   bool
	join  bool
	value []config.Segment
}

func (e *Edits) add(c *config.HeaderEdits) {
	for _, h := range c.Add {
		segments, _ := config.ParseTemplate(h.Value)
		e.list = append(e.list, edit{name: []byte(h.Name), add: true, join: h.Append, value: segments})
		for _, s := range segments {
			e.notes = e.notes || s.Variable != nil && s.Variable.Known()
		}
	}
	for _, name := range c.Remove {
		e.list = append(e.list, edit{name: []byte(name)})
	}
}

// Empty tells that there is nothing to change.
func (e *Edits) Empty() bool { return len(e.list) == 0 }

// Apply makes the changes. The values are built in text, which is returned and
// must not change as long as the edited head is used. What variables of the
// request are worth is read from notes, if they were taken.
func (e *Edits) Apply(to codec.Editor, q *Query, notes, text []byte) []byte {
	for i := range e.list {
		c := &e.list[i]
		if !c.add {
			to.Remove(c.name)
			continue
		}
		start := len(text)
		for j := range c.value {
			s := &c.value[j]
			switch {
			case s.Variable == nil:
				text = append(text, s.Text...)
			case notes != nil && s.Variable.Known():
				n := int(binary.BigEndian.Uint32(notes))
				text = append(text, notes[noteSize:noteSize+n]...)
				notes = notes[noteSize+n:]
			default:
				value, _ := q.Value(s.Variable)
				text = append(text, value...)
			}
		}
		value := text[start:len(text):len(text)]
		if c.join {
			to.Join(c.name, value)
		} else {
			to.Set(c.name, value)
		}
	}
	return text
}

// Notes tells that TakeNotes must be called while the request is there.
func (e *Edits) Notes() bool { return e.notes }

// noteSize is that of the length before each note.
const noteSize = 4

// TakeNotes appends what the variables of the request are worth that its reply
// will be changed by.
func (e *Edits) TakeNotes(q *Query, notes []byte) []byte {
	for i := range e.list {
		for j := range e.list[i].value {
			if s := &e.list[i].value[j]; s.Variable != nil && s.Variable.Known() {
				value, _ := q.Value(s.Variable)
				notes = append(binary.BigEndian.AppendUint32(notes, uint32(len(value))), value...)
			}
		}
	}
	return notes
}
