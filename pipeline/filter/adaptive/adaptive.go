// SPDX-License-Identifier: Apache-2.0

// Package adaptive is Envoy's adaptive_concurrency: the requests that may be
// in progress at once are held to a number that follows the latency of replies
// (the gradient controller). Those beyond it are refused before they are routed.
//
// Requests in progress and their limit are one word each for the whole process.
// Latencies are counted by loop; a loop now and then adds its own to those of all,
// and never waits to do so.
package adaptive

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
)

// Name is the filter's type.
const Name = "adaptive_concurrency"

// Kind makes the filter.
var Kind = filter.Kind{Listener: func(settings any) (filter.Plan, error) {
	c := settings.(*config.AdaptiveConcurrency)
	return &plan{newController(c), filter.Refusal{Reason: codec.Overloaded, Status: c.Status}}, nil
}}

type plan struct {
	*controller
	refusal filter.Refusal
}

func (p *plan) Instance() any { return &instance{plan: p} }

type instance struct {
	plan *plan
	// recent are latencies that the controller does not have yet, handed over
	// from due on.
	recent histogram
	due    int64
}

// measured is the word of a request in progress whose latency was counted. Before
// that it is the time of its beginning; 0 is a request that was refused.
const measured = -1

// OnRequest implements filter.RequestFilter.
func (f *instance) OnRequest(c *filter.Call, word *int64) filter.Answer {
	if !f.plan.enter() {
		c.Refusal = f.plan.refusal
		return filter.Reply
	}
	*word = max(c.Now, 1)
	return filter.Continue
}

// OnReply implements filter.ReplyFilter. It is the reply's head that is timed: how
// long the body takes may be the client's doing.
func (f *instance) OnReply(c *filter.Call, word *int64, _ codec.Head) { f.count(c, word) }

// OnEnd implements filter.EndFilter. A timeout is a latency, too.
func (f *instance) OnEnd(c *filter.Call, word *int64, r codec.Reason) {
	if *word == 0 {
		return
	}
	if r == codec.UpstreamTimeout {
		f.count(c, word)
	}
	f.plan.leave()
}

// count adds the latency of a request, once.
func (f *instance) count(c *filter.Call, word *int64) {
	began := *word
	if began <= 0 {
		return
	}
	*word = measured
	measuring := f.plan.since.Load()
	if began < measuring {
		return // it may have waited among more than are let in now
	}
	f.recent.add(c.Now - began)
	if measuring > 0 || c.Now >= f.due {
		f.plan.step(c.Now, &f.recent)
		f.due = c.Now + f.plan.update
	}
}
