// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"errors"
	"fmt"

	"github.com/sideloop/sideloop/bench/result"
)

// saturate gives sc its rate, the same for all who take part in it: its share of
// what the slowest of them answers in a closed loop. One that fails there does
// not count; it will fail at the rate as well, and say why.
func (r *runner) saturate(ctx context.Context, round int, sc *scenario) error {
	flood := *sc
	flood.id, flood.added, flood.times = sc.id+"-flood", false, 0
	slowest, rate := "", 0.0
	for _, c := range r.taking(sc) {
		if c.missing != "" {
			continue
		}
		got, err := r.attempt(ctx, round, &flood, c)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && (slowest == "" || got.rate < rate):
			slowest, rate = c.Name, got.rate
		}
	}
	sc.rate = int(sc.share * rate)
	if sc.rate == 0 {
		return errors.New("nobody's most requests per second were found")
	}
	found := fmt.Sprintf("%d requests per second are %.0f %% of what %s answered at most, %s.",
		sc.rate, 100*sc.share, slowest, result.PerSecond.Format(rate))
	sc.what += " " + found
	r.note("%s: %s", sc.name, found)
	return nil
}
