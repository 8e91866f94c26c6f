// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"math"

	"github.com/bytedance/gopkg/lang/fastrand"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline"
)

// Log is one access log of a listener.
type Log struct {
	config *config.AccessLog
	file   *File
}

// New returns a log that writes to f.
func New(c *config.AccessLog, f *File) *Log { return &Log{c, f} }

var _ pipeline.Observing = (*Log)(nil)

// Observers implements pipeline.Observing.
func (l *Log) Observers(want *pipeline.Wanted, loops int) []pipeline.Observer {
	f := compile(l.config, want)
	s := newSieve(&l.config.Filter)
	all := make([]pipeline.Observer, loops)
	for i := range all {
		all[i] = &logger{format: f, sieve: s, blocks: l.file.loops[i]}
	}
	return all
}

// logger is a log on one loop.
type logger struct {
	format *format
	sieve  sieve
	blocks *blocks
	memory memory
}

// Ended implements pipeline.Observer.
func (l *logger) Ended(r *pipeline.Ended) {
	if !l.sieve.passes(r) {
		return
	}
	if room := l.blocks.room(r.Timers); room != nil {
		l.blocks.added(l.format.append(room, r, &l.memory), l.format.how)
	}
}

// sieve is a compiled filter.
type sieve struct {
	failed bool
	slower int64
	status int
	chance uint32 // of 1<<32-1
}

func newSieve(f *config.LogFilter) sieve {
	return sieve{f.OnlyFailed, int64(f.SlowerThan), f.StatusFrom, uint32(f.Percent / 100 * math.MaxUint32)}
}

// passes tells whether a request has a line.
func (s *sieve) passes(r *pipeline.Ended) bool {
	switch {
	case s.failed && r.Reason == codec.ReasonNone:
	case s.slower > 0 && r.Finished-r.Began <= s.slower:
	case r.Status < s.status:
	case s.chance < math.MaxUint32 && fastrand.Uint32() >= s.chance:
	default:
		return true
	}
	return false
}
