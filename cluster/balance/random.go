// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/bytedance/gopkg/lang/fastrand"

// randomTries is how often Random draws before it falls back to walking, so
// that the hosts right behind an unusable one are not favoured as long as most
// hosts are usable.
const randomTries = 4

// Random chooses evenly.
type Random struct{}

// Choose implements Policy.
func (Random) Choose(v View) int {
	n := v.Len()
	if n < 2 {
		return firstUsable(v, 0)
	}
	for range randomTries {
		if i := fastrand.Intn(n); v.Usable(i) {
			return i
		}
	}
	return firstUsable(v, fastrand.Intn(n))
}
