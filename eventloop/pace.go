// SPDX-License-Identifier: Apache-2.0

package eventloop

const (
	// paceUnit is the fixed point of the moving average.
	paceUnit = 256
	// paceAlone is the average of reads per flush below which putting a flush
	// off costs more (a wake-up of the loop by itself) than it saves.
	paceAlone = paceUnit + paceUnit/2
	// paceProbe is how many lone flushes pass before one is put off to see
	// whether others would have joined it. Up to paceJitter more pass, a
	// different number each time, so that probes do not keep falling on the
	// last connection of equal batches.
	paceProbe  = 12
	paceJitter = 7
	// paceWeight is the share of a new sample in the average, as a divisor.
	paceWeight = 4
)

// pace chooses when a turn is flushed. With several connections ready in a
// batch the flush waits for all of them and each destination is written once;
// with one request alone it happens at once. The average of reads per put-off
// flush decides.
type pace struct {
	average int // in paceUnit
	reads   int // in this turn
	lone    int // lone flushes since the last probe
	probes  int
}

func newPace() pace { return pace{average: 2 * paceUnit} }

// alone tells whether to flush now.
func (p *pace) alone() bool {
	if p.average >= paceAlone {
		return false
	}
	if p.lone++; p.lone <= paceProbe+p.probes%paceJitter {
		return true
	}
	p.lone = 0
	p.probes++
	return false
}

// sample takes in how many reads a put-off flush served. Flushes of what timers
// and posts wrote say nothing about reads.
func (p *pace) sample() {
	if p.reads > 0 {
		p.average += (p.reads*paceUnit - p.average) / paceWeight
	}
}
