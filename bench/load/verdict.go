// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"strings"
	"time"

	"github.com/sideloop/sideloop/bench/result"
)

const (
	// busyOpen is the share of its loops' CPU time beyond which the generator
	// delays what it sends, and so makes latencies of its own.
	busyOpen = 0.8
	// busyClosed is where a closed loop is at the generator's limit; below it
	// a loop has waited for the target now and then.
	busyClosed = 0.95
	// tolerated is the share of requests that may be late or unsent.
	tolerated = 0.01
)

// result is the run's, once all is collected.
func (c *collector) result(started time.Time) *result.Result {
	o := c.run.options
	for len(c.bins) > 0 {
		c.closeBin()
	}
	elapsed, environment := c.elapsed(), result.DetectEnvironment()
	return &result.Result{
		Version: result.Version, Name: o.Name, Started: started.Add(o.WarmUp),
		Environment: environment, Command: command(o),
		Partial: c.cut, Invalid: c.invalid(elapsed),
		Elapsed: elapsed, Requests: c.requests, Errors: c.errors,
		BytesSent: c.bytesSent, BytesRead: c.bytesRead,
		Latency: c.latency, Service: c.service, Delay: c.delay, Seconds: c.seconds,
		Generator: used(c.before, c.after, elapsed, o.Loops),
		Targets:   targets(c.processes, c.ending, elapsed, environment.CPUs, c.requests),
	}
}

// elapsed is the measured time in seconds: to its end, or to that of the last
// request where that came later or where a count ended the run.
func (c *collector) elapsed() float64 {
	s, end := c.run.schedule, c.last
	if c.cut == "" && c.run.options.Count == 0 {
		end = max(end, s.until)
	}
	return max(time.Duration(end-s.from).Seconds(), 0)
}

func command(o *Options) result.Command {
	return result.Command{
		Target: o.Target, Protocol: o.Protocol.String(), Connections: o.Connections, InFlight: o.InFlight,
		BodyBytes: o.Body, Headers: o.Headers, Rate: o.Rate, Seconds: o.Duration.Seconds(), Count: o.Count,
		WarmUp: o.WarmUp.Seconds(),
	}
}

// invalid says why the figures are the generator's, if they are.
func (c *collector) invalid(elapsed float64) string {
	var why []string
	busy := used(c.before, c.after, elapsed, c.run.options.Loops).Busy
	open := c.run.schedule.open()
	switch {
	case open && busy > busyOpen:
		why = append(why, fmt.Sprintf("the generator was %.0f %% busy, so latencies are partly its own; give it more loops or less rate", 100*busy))
	case !open && busy > busyClosed:
		why = append(why, fmt.Sprintf("the generator was %.0f %% busy, so the rate is its own; give it more loops", 100*busy))
	}
	if open && c.due == 0 && c.cut == "" {
		why = append(why, "nothing was due in the measured time")
	}
	if due := float64(c.due); due > 0 {
		if late := float64(c.late) / due; late > tolerated {
			why = append(why, fmt.Sprintf("the generator noticed %.1f %% of the requests more than %v after they were due", 100*late, lateBy))
		}
		if unsent := float64(c.backlog) / due; unsent > tolerated {
			why = append(why, fmt.Sprintf("%.1f %% of the requests due had not been sent at the end: the rate is not kept, as %s", 100*unsent, c.culprit(busy)))
		}
	}
	return strings.Join(why, "; ")
}

// culprit says who kept the rate from being kept.
func (c *collector) culprit(busy float64) string {
	if busy > busyOpen {
		return "the generator is too slow"
	}
	return "replies take so long that all requests allowed in flight were taken"
}
