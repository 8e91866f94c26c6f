// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"time"

	"github.com/sideloop/sideloop/cluster/tally"
	"github.com/sideloop/sideloop/config"
)

// Judge is told by the loops of hosts that fail.
type Judge struct {
	// Loops is the number of loops over which the requests to a host spread.
	Loops int
	// Alarms takes what the loops notice. While it is full, alarms are
	// dropped; the host's next failure raises them again.
	Alarms chan<- tally.Alarm
}

// Tally is how the requests of one loop to one host ended. It belongs to the
// loop.
type Tally struct {
	counts  tally.Counts
	runs    tally.Runs
	alarmed bool // an alarm is on its way
	ejected bool // as last adopted
}

// fit makes the tally one that d needs.
func (t *Tally) fit(d *config.OutlierDetection, ejected bool) {
	if ejected != t.ejected {
		t.runs, t.alarmed, t.ejected = tally.Runs{}, false, ejected
	}
	switch {
	case d.LatencyFactor == 0:
		t.counts.Latency = nil
	case t.counts.Latency == nil:
		t.counts.Latency = new(tally.Latency)
	}
}

// Take adds what was counted to sum, which belongs to the caller, and starts
// anew.
func (t *Tally) Take(sum *tally.Counts) { t.counts.MoveTo(sum) }

// Runs returns the failures in a row, after those of runs that began before
// another loop had ended them are forgotten. Alarms may be raised again.
func (t *Tally) Runs(ended [tally.RunKinds]int64) tally.Runs {
	t.alarmed = false
	t.runs.Forget(ended)
	return t.runs
}

// note counts a request that ended at loop time now. It returns whether an
// alarm is due.
func (t *Tally) note(o Outcome, latency time.Duration, now int64, d *config.OutlierDetection, loops int) bool {
	reached := true
	switch o {
	case Unjudged:
		return false
	case Succeeded:
		t.counts.Replies++
	case ServerError, GatewayError:
		t.counts.ServerErrors++
	default:
		t.counts.Unreached++
		reached = false
	}
	if t.counts.Latency != nil && (reached || o == TimedOut) {
		t.counts.Latency.Note(latency)
	}
	if d.SplitLocal {
		t.runs[config.OutlierLocal].Note(!reached, now)
		if !reached {
			return t.due(config.OutlierLocal, d.ConsecutiveLocal, loops)
		}
	}
	t.runs[config.Outlier5xx].Note(o != Succeeded, now)
	t.runs[config.OutlierGateway].Note(o != Succeeded && o != ServerError, now)
	return t.due(config.Outlier5xx, d.Consecutive5xx, loops) || t.due(config.OutlierGateway, d.ConsecutiveGateway, loops)
}

// due tells that this loop has its share of threshold failures in a row: where
// all loops together have as many, one of them at least has its share.
func (t *Tally) due(k config.OutlierKind, threshold, loops int) bool {
	share := (threshold + loops - 1) / loops
	return threshold > 0 && !t.alarmed && t.runs[k].Length >= share
}
