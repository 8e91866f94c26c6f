// SPDX-License-Identifier: Apache-2.0

package ratelimit

import (
	"bytes"
	"math"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
)

// FlowName is the type of the filter with Sentinel's rules.
const FlowName = "flowControlFilter"

// Flow makes the filter with Sentinel's rules.
var Flow = filter.Kind{Listener: func(settings any) (filter.Plan, error) { return newFlow(settings), nil }}

// flow is the rules by their resources.
type flow struct {
	key     config.FlowKey
	monitor bool
	rules   map[string][]*flowRule
	refusal filter.Refusal
}

type flowRule struct {
	rate     rate
	patience int64 // how long a request may wait for its turn
	bucket   paddedBucket
}

func newFlow(settings any) *flow {
	c := settings.(*config.FlowControl)
	f := &flow{
		key: c.Key, monitor: c.Monitor, rules: make(map[string][]*flowRule),
		refusal: filter.Refusal{Reason: codec.RateLimited, Status: c.Status, Body: c.Body},
	}
	for _, r := range c.Rules {
		made := &flowRule{rate: newRate(math.Max(r.Threshold, 1), r.Threshold, r.Interval)}
		if r.Throttle {
			// Evenly spaced: the bucket has room for one.
			made.rate = newRate(1, r.Threshold, r.Interval)
			made.patience = int64(r.MaxQueueing)
		}
		f.rules[r.Resource] = append(f.rules[r.Resource], made)
	}
	return f
}

// Instance implements filter.Plan: nothing is kept by loop.
func (f *flow) Instance() any { return f }

// passed is the word of a request that has waited for its turn.
const passed = 1

// OnRoute implements filter.RouteFilter.
func (f *flow) OnRoute(c *filter.Call, word *int64) filter.Answer {
	if f.monitor || *word == passed {
		return filter.Continue
	}
	var longest int64
	for _, r := range f.rules[string(f.resource(c))] {
		wait, ok := r.bucket.take(r.rate, c.Now, r.patience)
		if !ok {
			c.Refusal = f.refusal
			return filter.Reply
		}
		longest = max(longest, wait)
	}
	if longest == 0 {
		return filter.Continue
	}
	*word = passed
	c.Delay = time.Duration(longest)
	return filter.Suspend
}

// resource is what the rules name of a request.
func (f *flow) resource(c *filter.Call) []byte {
	if c.Bolt {
		service, _ := c.Head.Get("service")
		return service
	}
	path, query, _ := bytes.Cut(c.Head.Path(), []byte{'?'})
	switch f.key {
	case config.FlowArg:
		return query
	case config.FlowURI:
		return c.Head.Path()
	}
	return path
}
