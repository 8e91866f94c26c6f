// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"math"

	"github.com/sideloop/sideloop/config"
)

// ramp is the part of its weight that a host has this long after it came or
// became healthy: Envoy's and MOSN's
// max(min_weight_percent, (elapsed / duration) ^ (1 / aggression)).
func ramp(s *config.SlowStart, elapsed int64) float64 {
	if elapsed >= int64(s.Duration) {
		return 1
	}
	f := float64(max(elapsed, 0)) / float64(s.Duration)
	if s.Aggression != 1 {
		f = math.Pow(f, 1/s.Aggression)
	}
	return max(f, s.MinWeight, rampFloor)
}

// rampFloor keeps the weight of a host above 0, so that it has a turn at all.
const rampFloor = 0.001
