// SPDX-License-Identifier: Apache-2.0

package result

import (
	"fmt"
	"math"
	"strconv"
)

// Limit is who kept the rate of an open loop from being kept.
type Limit string

// Limits. A rate that was kept has none.
const (
	LimitGenerator Limit = "generator"
	LimitTarget    Limit = "target"
)

// Schedule is how well an open loop kept to what it was asked for. Figures are
// of the requests due in the measured time.
type Schedule struct {
	Due  uint64 `json:"due"`
	Sent uint64 `json:"sent"` // by the end
	// LateShare, 0 to 1, is the part that the generator noticed over LateBy
	// nanoseconds after it was due, and Lateness is how long after.
	LateShare float64    `json:"late_share"`
	LateBy    int64      `json:"late_by"`
	Lateness  *Histogram `json:"lateness"`
	// Limit is empty when the rate was kept.
	Limit Limit `json:"limit,omitempty"`
}

// worthSaying is the share of its CPU time that a machine can miss without
// being late for it.
const worthSaying = 0.01

// meanTold is the percentile that has to be told for the mean to be: a few slow
// requests make much of it.
const meanTold = 99

// LateText says how late the generator was, and who took its CPU if that is
// known.
func (r *Result) LateText() string {
	s := r.Schedule
	text := fmt.Sprintf("the generator noticed %s of the requests more than %s after they were due",
		Share.Format(s.LateShare), Latency.Format(float64(s.LateBy)))
	if r.Steal >= worthSaying {
		text += fmt.Sprintf(", while the host took %s of the machine's CPU time away (steal)", Share.Format(r.Steal))
	}
	return text
}

// TailText says from which percentile on the latency is not the target's alone;
// empty where all of it is.
func (r *Result) TailText() string {
	if !r.late() {
		return ""
	}
	return r.LateText() + ": what is beyond " + percentName(r.ToldTo()) + " is not the target's alone"
}

func (r *Result) late() bool { return r.Schedule != nil && r.Schedule.LateShare > 0 }

// ToldTo is the highest percentile of the latency that is the target's: requests
// that the generator itself delayed may all lie beyond it.
func (r *Result) ToldTo() float64 {
	if !r.late() {
		return 100
	}
	return 100 * max(1-r.Schedule.LateShare, 0)
}

// Tells reports whether the percentile p of the latency is the target's; the
// maximum is percentile 100.
func (r *Result) Tells(p float64) bool { return p <= r.ToldTo() }

// percentName writes a percentile with as many digits as it takes to tell it
// from 100, rounded down: rounded up it would promise too much.
func percentName(p float64) string {
	power := math.Pow10(1 + max(int(math.Ceil(-math.Log10(max(100-p, 1e-6)))), 0))
	return "p" + strconv.FormatFloat(math.Floor(p*power+1e-6)/power, 'f', -1, 64)
}
