// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"time"

	"github.com/sideloop/sideloop/codec"
)

// Malformed is a malformed message and when it came.
type Malformed struct {
	codec.Specimen
	Time time.Time
}

// MalformedTotal is how many there were, of clients and hosts; Malformed tells
// more only when it has grown.
func (w *Worker) MalformedTotal() uint64 { return w.malformed.Total() + w.clusters.Malformed().Total() }

// Malformed appends the latest malformed message of each protocol and direction.
func (w *Worker) Malformed(to []Malformed) []Malformed {
	wall, now := time.Now(), w.loop.Now()
	take := func(s *codec.Specimen) { to = append(to, Malformed{*s, wall.Add(time.Duration(s.At - now))}) }
	w.malformed.Each(take)
	w.clusters.Malformed().Each(take)
	return to
}
