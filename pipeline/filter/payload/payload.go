// SPDX-License-Identifier: Apache-2.0

// Package payload is the filter that refuses requests with large bodies: at once
// where the length is announced, else as soon as too much has come.
package payload

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
)

// Name is the filter's type.
const Name = "payload_limit"

// Kind makes payload limits.
var Kind = filter.Kind{
	Listener: func(settings any) (filter.Plan, error) { return compile(settings), nil },
	Route:    func(settings any) (any, error) { return compile(settings), nil },
}

// limit is one limit in bytes; 0 is none.
type limit struct {
	bytes   int64
	refusal filter.Refusal
}

func compile(settings any) *limit {
	c := settings.(*config.PayloadLimit)
	return &limit{c.MaxBytes, filter.Refusal{Reason: codec.BodyTooLarge, Status: c.Status}}
}

// Instance implements filter.Plan: nothing is kept by loop.
func (l *limit) Instance() any { return l }

// of is the limit that holds for a request.
func (l *limit) of(c *filter.Call) *limit {
	if own, ok := c.Route.FilterConfig(Name).(*limit); ok {
		return own
	}
	return l
}

// OnRoute implements filter.RouteFilter.
func (l *limit) OnRoute(c *filter.Call, _ *int64) filter.Answer {
	return l.of(c).judge(c, c.Length)
}

// OnBody implements filter.BodyFilter. The word is what has come so far.
func (l *limit) OnBody(c *filter.Call, word *int64, n int) filter.Answer {
	*word += int64(n)
	return l.of(c).judge(c, *word)
}

func (l *limit) judge(c *filter.Call, n int64) filter.Answer {
	if l.bytes == 0 || n <= l.bytes {
		return filter.Continue
	}
	c.Refusal = l.refusal
	return filter.Reply
}
