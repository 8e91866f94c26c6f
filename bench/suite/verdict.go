// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/sideloop/sideloop/bench/report"
)

// verdicts sets what was measured against the goals that it is about.
func (r *runner) verdicts() []report.Verdict {
	var all []report.Verdict
	for i := range goals {
		g := &goals[i]
		if trials := r.trials(g); len(trials) > 0 {
			all = append(all, judgeTrials(g, trials))
		}
	}
	return all
}

// trial is a goal's figure of one scenario, set against one measure, by rounds.
type trial struct {
	work, rival string    // names
	own, other  []float64 // other is nil where the limit is a figure itself
	missing     string    // why there are no rounds
}

// trials returns all that g is to be measured by, with and without figures;
// none where it was not asked for.
func (r *runner) trials(g *goal) []trial {
	var all []trial
	for _, sc := range r.scenarios {
		if !slices.Contains(g.works, sc.id) {
			continue
		}
		own := cmp.Or(g.own, "sideloop")
		at := slices.IndexFunc(r.taking(sc), func(c *contender) bool { return c.ID == own })
		switch {
		case at < 0:
		case len(g.sum) > 0:
			if t, ok := r.sumTrial(g, sc, own); ok {
				all = append(all, t)
			}
		case len(g.than) > 0:
			for _, c := range r.taking(sc) {
				if slices.Contains(g.than, c.ID) {
					t := r.trial(g, sc, own, r.figures(g, sc, c.ID))
					t.rival = c.Name
					if c.missing != "" {
						t.missing = c.missing
					}
					all = append(all, t)
				}
			}
		default:
			all = append(all, r.trial(g, sc, own, nil))
		}
	}
	return all
}

// figures are those of a peer by round.
func (r *runner) figures(g *goal, sc *scenario, peer string) map[int]float64 {
	parts := 1.0
	if g.metric.each {
		parts = float64(len(sc.hops))
	}
	byRound := make(map[int]float64)
	for _, s := range r.record.samples[cell{sc.id, peer}] {
		byRound[s.round] = g.metric.of(&s) / parts
	}
	return byRound
}

// sumTrial sets sc against other scenarios together; not ok unless all of these
// were asked for.
func (r *runner) sumTrial(g *goal, sc *scenario, own string) (t trial, ok bool) {
	sum, names := map[int]float64(nil), ""
	for _, id := range g.sum {
		at := slices.IndexFunc(r.scenarios, func(s *scenario) bool { return s.id == id })
		if at < 0 {
			return trial{}, false
		}
		part := r.figures(g, r.scenarios[at], own)
		if sum == nil {
			sum, names = part, r.scenarios[at].name
			continue
		}
		names += " + " + r.scenarios[at].name
		for round := range sum {
			if v, both := part[round]; both {
				sum[round] += v
			} else {
				delete(sum, round)
			}
		}
	}
	t = r.trial(g, sc, own, sum)
	t.rival = names
	return t, true
}

// trial pairs the rounds of sc with those of a measure, unless that is nil.
func (r *runner) trial(g *goal, sc *scenario, own string, measure map[int]float64) trial {
	t := trial{work: sc.name, missing: "not measured"}
	ours := r.figures(g, sc, own)
	for round := 1; round <= r.Rounds; round++ {
		v, has := ours[round]
		other, both := measure[round]
		switch {
		case !has, measure != nil && !both:
		case math.IsNaN(v) || math.IsNaN(other):
			t.missing = report.NotTold
		default:
			t.own = append(t.own, v)
			if measure != nil {
				t.other = append(t.other, other)
			}
		}
	}
	if len(t.own) > 0 {
		t.missing = ""
	}
	return t
}

// noisy tells that added latency was lost in the noise of a round: there is no
// ratio of what is zero or less.
func (t *trial) noisy() bool {
	return t.other != nil && (slices.Min(t.own) <= 0 || slices.Min(t.other) <= 0)
}

// over is how far each round is over the goal; what is not is zero or less.
func (t *trial) over(g *goal) []float64 {
	all := make([]float64, len(t.own))
	for i, v := range t.own {
		measure := 1.0
		if t.other != nil {
			measure = t.other[i]
		}
		all[i] = v - g.limit*measure
	}
	return all
}

// judgeTrials lets the trial that is worst decide.
func judgeTrials(g *goal, trials []trial) report.Verdict {
	identity := func(v *float64) float64 { return *v }
	v := report.Verdict{Goal: g.name, Limit: "at most " + g.limitText(len(trials[0].rival) > 0), Outcome: report.Unknown}
	var worst *trial
	by, doubt := 0.0, false
	for i := range trials {
		t := &trials[i]
		if t.missing != "" {
			continue
		}
		least, over, greatest := spread(t.over(g), identity)
		if g.metric.most {
			over = greatest
		}
		if worst == nil || over > by {
			worst, by = t, over
			doubt = !g.metric.most && (least <= 0 && greatest > 0 || t.noisy())
		}
	}
	switch {
	case worst == nil:
		v.Measured = trials[0].missing
		return v
	case by > 0:
		v.Outcome = report.Missed
	default:
		v.Outcome = report.Met
	}
	v.Doubtful = doubt
	v.Measured = worst.text(g, len(g.works) > 1)
	return v
}

func (g *goal) limitText(ratio bool) string {
	if ratio {
		return fmt.Sprintf("%g×", g.limit)
	}
	return g.metric.text(g.limit)
}

// text is what was measured: figures, and their ratio where rounds have one.
func (t *trial) text(g *goal, named bool) string {
	identity := func(v *float64) float64 { return *v }
	_, own, most := spread(t.own, identity)
	if g.metric.most {
		own = most
	}
	text := g.metric.text(own)
	if named {
		text += " (" + t.work + ")"
	}
	if t.other == nil {
		return text
	}
	_, other, _ := spread(t.other, identity)
	text += fmt.Sprintf(" to %s of %s", g.metric.text(other), t.rival)
	if t.noisy() {
		return text
	}
	ratios := make([]float64, len(t.own))
	for i, v := range t.own {
		ratios[i] = v / t.other[i]
	}
	least, ratio, greatest := spread(ratios, identity)
	return text + fmt.Sprintf(", %.2f× [%.2f× – %.2f×]", ratio, least, greatest)
}
