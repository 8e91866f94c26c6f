// SPDX-License-Identifier: Apache-2.0

package report

// Verdict says whether a goal was met.
type Verdict struct {
	Goal     string
	Measured string // what decided, or why there is nothing
	Limit    string
	Outcome  Outcome
	Doubtful bool // some rounds say otherwise, or what was compared is lost in the noise
}

// Outcome is how a goal stands. The zero value says nothing.
type Outcome uint8

const (
	// Unknown is for what was not measured, or not told.
	Unknown Outcome = iota
	// Met is for a figure within its limit.
	Met
	// Missed is for one beyond it.
	Missed
)

// word is the verdict's, marked where it may be chance.
func (v *Verdict) word() string {
	word := [...]string{Unknown: "unknown", Met: "met", Missed: "missed"}[v.Outcome]
	if v.Doubtful {
		word += " ≈"
	}
	return word
}

// judged is the table of the goals.
func (s *Suite) judged() section {
	t := table{Head: []string{"goal", "measured", "limit", "verdict"}, Prose: true}
	for i := range s.Verdicts {
		v := &s.Verdicts[i]
		class := ""
		switch v.Outcome {
		case Met:
			class = "ours"
		case Missed:
			class = "better"
		default:
			class = "none"
		}
		t.Rows = append(t.Rows, []cell{{Text: v.Goal}, {Text: v.Measured}, {Text: v.Limit}, {Text: v.word(), Class: class}})
	}
	return section{
		ID: "goals", Title: "Goals",
		Text:   "By the median of the rounds, each set against the same round of the others; where there are several, by the one that is hardest to meet. Where a verdict is marked ≈, some rounds say otherwise, or added latency was lost in the noise.",
		Tables: []table{t},
	}
}
