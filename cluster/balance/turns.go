// SPDX-License-Identifier: Apache-2.0

package balance

// turns lets hosts take turns as their weights say, by deadlines that are made once
// weights differ or a host is in slow start.
type turns struct {
	deadlines *deadlines
	view      View // of the choice under way, for weigh
	weigh     func(i int) float64
}

func (t *turns) choose(v View, random *source) int {
	t.view = v
	if t.deadlines == nil {
		t.deadlines = newDeadlines(v.Len(), random, t.weigh)
	}
	i := t.deadlines.choose(v, t.weigh)
	t.view = nil
	return i
}
