// SPDX-License-Identifier: Apache-2.0

package eventloop

// Stats are the counters of one loop. They only grow, but for Conns
// and Longest.
type Stats struct {
	Turns        uint64 // turns of the loop; an idle loop makes none
	Tasks        uint64 // functions run for Post
	Alarms       uint64 // wake-ups by the loop's timerfd
	Timers       uint64 // timers expired
	Reads        uint64 // reads that brought bytes
	BytesRead    uint64
	Writes       uint64 // write and writev calls
	BytesWritten uint64
	Refused      uint64 // writes of which the kernel did not take everything
	FlushesEarly uint64 // flushes before the end of a turn, because too much was held
	Looks        uint64 // looks at what is ready next
	Blocked      uint64 // times a connection went over its high watermark
	HalfClosed   uint64 // connections that lived on after the peer's FIN
	Panics       uint64 // callbacks that panicked
	Opened       uint64 // connections ever opened
	Conns        uint64 // connections open now
	Busy         uint64 // nanoseconds within turns
	Longest      uint64 // nanoseconds of the longest turn since TakeLongest
}

// Stats returns a copy of the loop's counters. Only the loop may call it;
// others post a function that does.
func (l *Loop) Stats() Stats { return l.stats }

// TakeLongest begins anew to look for the longest turn. Only the loop may call
// it.
func (l *Loop) TakeLongest() { l.stats.Longest = 0 }

// turned counts the turn that has just ended.
func (s *Stats) turned(took uint64) {
	s.Busy += took
	s.Longest = max(s.Longest, took)
}

// Add adds the counters of another loop.
func (s *Stats) Add(o Stats) {
	s.Turns += o.Turns
	s.Tasks += o.Tasks
	s.Alarms += o.Alarms
	s.Timers += o.Timers
	s.Reads += o.Reads
	s.BytesRead += o.BytesRead
	s.Writes += o.Writes
	s.BytesWritten += o.BytesWritten
	s.Refused += o.Refused
	s.FlushesEarly += o.FlushesEarly
	s.Looks += o.Looks
	s.Blocked += o.Blocked
	s.HalfClosed += o.HalfClosed
	s.Panics += o.Panics
	s.Opened += o.Opened
	s.Conns += o.Conns
	s.Busy += o.Busy
	s.Longest = max(s.Longest, o.Longest)
}
