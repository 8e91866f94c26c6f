// SPDX-License-Identifier: Apache-2.0

package load

import "time"

// epoch is where this process's clock starts.
var epoch = time.Now()

// clock is the time in nanoseconds. The time of a loop's turn is too coarse for
// latencies: many replies may have come since the turn began.
func clock() int64 { return int64(time.Since(epoch)) }

// forever is a time that does not come.
const forever = int64(1<<63 - 1)
