// SPDX-License-Identifier: Apache-2.0

// Package fault is the filter that delays and aborts requests on purpose, to
// test those who send them. A request may meet both, the delay first.
package fault

import (
	"math/rand/v2"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
	"github.com/sideloop/sideloop/pipeline/router"
)

// Name is the filter's type.
const Name = "fault"

// Kind makes faults.
var Kind = filter.Kind{
	Listener: func(settings any) (filter.Plan, error) {
		r, err := compile(settings)
		return plan{r}, err
	},
	Route: func(settings any) (any, error) { return compile(settings) },
}

// rule is what happens to which requests.
type rule struct {
	delayPercent, abortPercent uint32
	delay                      time.Duration
	abort                      filter.Refusal
	cluster                    string
	headers                    *router.Headers
}

func compile(settings any) (*rule, error) {
	c := settings.(*config.Fault)
	headers, err := router.CompileHeaders(c.Headers)
	r := &rule{
		delayPercent: c.DelayPercent, delay: c.Delay, abortPercent: c.AbortPercent,
		abort:   filter.Refusal{Reason: codec.FaultAbort, Status: c.AbortStatus},
		cluster: c.Cluster, headers: headers,
	}
	if r.delay <= 0 {
		r.delayPercent = 0
	}
	return r, err
}

type plan struct{ rule *rule }

func (p plan) Instance() any { return &instance{rule: p.rule, random: rand.Uint32N} }

type instance struct {
	rule   *rule
	random func(n uint32) uint32 // below n
	query  router.Query          // of the request that is looked at
}

// delayed is the word of a request that has had its delay.
const delayed = 1

// OnRoute implements filter.RouteFilter.
func (f *instance) OnRoute(c *filter.Call, word *int64) filter.Answer {
	r := f.rule
	if own, ok := c.Route.FilterConfig(Name).(*rule); ok {
		r = own
	}
	if r.delayPercent == 0 && r.abortPercent == 0 || r.cluster != "" && r.cluster != c.Cluster {
		return filter.Continue
	}
	if f.query.Request = c.Head; !r.headers.Match(&f.query) {
		return filter.Continue
	}
	if *word != delayed && f.hits(r.delayPercent) {
		*word = delayed
		c.Delay = r.delay
		return filter.Suspend
	}
	if f.hits(r.abortPercent) {
		c.Refusal = r.abort
		return filter.Reply
	}
	return filter.Continue
}

// hits is true for percent out of a hundred requests.
func (f *instance) hits(percent uint32) bool {
	return percent > 0 && f.random(100) < percent
}
