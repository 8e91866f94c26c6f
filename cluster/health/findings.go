// SPDX-License-Identifier: Apache-2.0

package health

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/sideloop/sideloop/cluster/tally"
	"github.com/sideloop/sideloop/config"
)

// sample is what a host's requests of one interval came to.
type sample struct {
	host   *host
	counts *tally.Counts
}

// finding is a host that stands out, and by what.
type finding struct {
	of   *host
	kind config.OutlierKind
	// host is the host's figure, cluster that of all hosts, and threshold what
	// the host's was held against; 0 for failures in a row.
	host, cluster, threshold float64
}

// findings are the hosts that stand out, of each kind the worst first.
func findings(d *config.OutlierDetection, list []sample) []finding {
	outer, local := outerRate, rate(nil)
	if d.SplitLocal {
		outer, local = splitRate, localRate
	}
	var all []finding
	all = append(all, bySuccessRate(d, list, outer, config.OutlierSuccessRate)...)
	all = append(all, byFailures(d, list, outer, config.OutlierFailurePercentage)...)
	if local != nil {
		all = append(all, bySuccessRate(d, list, local, config.OutlierLocalSuccessRate)...)
		all = append(all, byFailures(d, list, local, config.OutlierLocalFailurePercentage)...)
	}
	return append(all, byLatency(d, list)...)
}

// rate is the good requests and all requests that a host is judged by.
type rate func(*tally.Counts) (good, all uint64)

func outerRate(c *tally.Counts) (good, all uint64) {
	return c.Replies, c.Replies + c.ServerErrors + c.Unreached
}

// splitRate leaves out what did not reach the host; localRate asks for nothing
// else.
func splitRate(c *tally.Counts) (good, all uint64) { return c.Replies, c.Replies + c.ServerErrors }

func localRate(c *tally.Counts) (good, all uint64) {
	good = c.Replies + c.ServerErrors
	return good, good + c.Unreached
}

// rated is a host with its success rate in percent.
type rated struct {
	host *host
	rate float64
}

// rates are those of hosts with enough requests, the worst first; none where
// there are too few such hosts.
func rates(list []sample, r rate, volume, hosts int) []rated {
	var found []rated
	for _, s := range list {
		if good, all := r(s.counts); all >= uint64(volume) {
			found = append(found, rated{s.host, 100 * float64(good) / float64(all)})
		}
	}
	if len(found) < hosts {
		return nil
	}
	slices.SortFunc(found, func(a, b rated) int { return cmp.Compare(a.rate, b.rate) })
	return found
}

// bySuccessRate finds hosts whose rate lies a number of standard deviations
// below the mean.
func bySuccessRate(d *config.OutlierDetection, list []sample, r rate, k config.OutlierKind) (found []finding) {
	all := rates(list, r, d.SuccessRateVolume, d.SuccessRateHosts)
	if all == nil {
		return nil
	}
	var sum, squares float64
	for _, h := range all {
		sum += h.rate
	}
	mean := sum / float64(len(all))
	for _, h := range all {
		squares += (h.rate - mean) * (h.rate - mean)
	}
	threshold := mean - math.Sqrt(squares/float64(len(all)))*float64(d.SuccessRateStdev)/1000
	for _, h := range all {
		if h.rate < threshold {
			found = append(found, finding{h.host, k, h.rate, mean, threshold})
		}
	}
	return found
}

// byFailures finds hosts by their share of failures alone.
func byFailures(d *config.OutlierDetection, list []sample, r rate, k config.OutlierKind) (found []finding) {
	for _, h := range rates(list, r, d.FailureVolume, d.FailureHosts) {
		if 100-h.rate >= float64(d.FailureThreshold) {
			found = append(found, finding{h.host, k, h.rate, 0, 100 - float64(d.FailureThreshold)})
		}
	}
	return found
}

// slow is a host with its latency.
type slow struct {
	host    *host
	latency time.Duration
}

// byLatency finds hosts that take a number of times as long as the median host.
func byLatency(d *config.OutlierDetection, list []sample) (found []finding) {
	if d.LatencyFactor == 0 {
		return nil
	}
	var all []slow
	for _, s := range list {
		if l := s.counts.Latency; l != nil && l.Count() >= uint64(d.LatencyVolume) {
			all = append(all, slow{s.host, l.Percentile(d.LatencyPercentile)})
		}
	}
	if len(all) < d.LatencyHosts {
		return nil
	}
	slices.SortFunc(all, func(a, b slow) int { return cmp.Compare(b.latency, a.latency) })
	// Of an even number the lower one, so that one of two can stand out.
	median := all[len(all)/2].latency
	threshold := max(time.Duration(float64(median)*float64(d.LatencyFactor)/1000), d.LatencyFloor)
	for _, h := range all {
		if h.latency >= threshold {
			found = append(found, finding{h.host, config.OutlierLatency, milliseconds(h.latency), milliseconds(median), milliseconds(threshold)})
		}
	}
	return found
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
