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
	// keptRate is the share of the requests due that has to be sent for a rate
	// to be kept.
	keptRate = 0.99
	// mostLate is the share of requests noticed late beyond which too much of
	// the latency is the generator's to tell the rest apart.
	mostLate = 0.2
)

// result is the run's, once all is collected.
func (c *collector) result(started time.Time) *result.Result {
	o := c.run.options
	for len(c.bins) > 0 {
		c.closeBin()
	}
	elapsed, environment := c.elapsed(), result.DetectEnvironment()
	r := &result.Result{
		Version: result.Version, Name: o.Name, Started: started.Add(o.WarmUp),
		Environment: environment, Command: command(o),
		Partial: c.cut, Steal: c.stolen.share(),
		Elapsed: elapsed, Requests: c.requests, Errors: c.errors,
		BytesSent: c.bytesSent, BytesRead: c.bytesRead,
		Latency: c.latency, Service: c.service, Delay: c.delay, Seconds: c.seconds,
		Generator: used(c.before, c.after, elapsed, o.Loops),
		Targets:   targets(c.processes, c.ending, elapsed, environment.CPUs, c.requests),
	}
	r.Schedule = c.schedule(r.Generator.Busy)
	r.Invalid = c.invalid(r)
	return r
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

// schedule says how well an open loop was kept to; nil of a closed one.
func (c *collector) schedule(busy float64) *result.Schedule {
	if !c.run.schedule.open() {
		return nil
	}
	s := &result.Schedule{Due: c.lateness.Count(), LateBy: int64(lateBy), Lateness: c.lateness}
	s.Sent = s.Due - min(c.unsent, s.Due)
	if s.Due == 0 {
		return s
	}
	s.LateShare = float64(c.late) / float64(s.Due)
	switch {
	case float64(s.Sent) >= keptRate*float64(s.Due):
	case busy > busyOpen || s.LateShare > mostLate:
		s.Limit = result.LimitGenerator
	default:
		s.Limit = result.LimitTarget
	}
	return s
}

// invalid says why the figures are the generator's, if they are.
func (c *collector) invalid(r *result.Result) string {
	busy, s := r.Generator.Busy, r.Schedule
	if s == nil {
		if busy > busyClosed {
			return fmt.Sprintf("the generator was %.0f %% busy, so the rate is its own; give it more loops", 100*busy)
		}
		return ""
	}
	var why []string
	if busy > busyOpen {
		why = append(why, fmt.Sprintf("the generator was %.0f %% busy, so latencies are partly its own; give it more loops or less rate", 100*busy))
	}
	if s.Due == 0 && c.cut == "" {
		why = append(why, "nothing was due in the measured time")
	}
	if s.LateShare > mostLate {
		why = append(why, r.LateText())
	}
	if s.Limit != "" {
		culprit := "replies take so long that all requests allowed in flight were taken"
		if s.Limit == result.LimitGenerator {
			culprit = "the generator is too slow"
		}
		why = append(why, fmt.Sprintf("%.1f %% of the requests due had not been sent at the end: the rate is not kept, as %s",
			100*(1-float64(s.Sent)/float64(s.Due)), culprit))
	}
	return strings.Join(why, "; ")
}
