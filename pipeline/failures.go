// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"time"

	"github.com/sideloop/sideloop/codec"
)

// failureInterval is how often one loop logs the same reason at most, so that
// peers cannot use the log as a weapon.
const failureInterval = int64(time.Second)

// failureLog writes failed requests to the log, with those left out counted.
type failureLog struct {
	last    [codec.ReasonCount]int64
	skipped [codec.ReasonCount]uint64
}

// request logs one failed request.
func (f *failureLog) request(now int64, r codec.Reason, chain *Chain, cluster, host string) {
	if f.last[r] != 0 && now-f.last[r] < failureInterval {
		f.skipped[r]++
		return
	}
	f.last[r] = now
	chain.Log.Warn("request failed", "reason", r.String(), "listener", chain.Listener,
		"cluster", cluster, "host", host, "more", f.skipped[r], "text", r.Text())
	f.skipped[r] = 0
}
