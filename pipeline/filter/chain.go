// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"fmt"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
)

// Plan is one filter of a listener, compiled from its settings.
type Plan interface {
	// Instance is the filter for one more loop. It implements hooks.
	Instance() any
}

// Kind is how the filters of one type are made.
type Kind struct {
	// Listener compiles the settings of a listener.
	Listener func(settings any) (Plan, error)
	// Route compiles those of a route or virtual host; nil where they have
	// none. Its result is shared by all loops.
	Route func(settings any) (any, error)
}

// Registry is the kinds by the names that configurations call them.
type Registry map[string]Kind

// Chain is the filters of one listener, as all loops have them.
type Chain struct {
	loops []*Instances
}

// Compile makes the chain of a listener for that many loops; nil without
// filters.
func (r Registry) Compile(filters []config.StreamFilter, loops int) (*Chain, error) {
	if len(filters) == 0 {
		return nil, nil
	}
	c := &Chain{loops: make([]*Instances, loops)}
	for i := range c.loops {
		c.loops[i] = new(Instances)
	}
	for i := range filters {
		f := &filters[i]
		kind, ok := r[f.Type]
		if !ok {
			return nil, fmt.Errorf("stream filter %q is not known", f.Type)
		}
		plan, err := kind.Listener(f.Config)
		if err != nil {
			return nil, fmt.Errorf("stream filter %q: %w", f.Type, err)
		}
		for _, l := range c.loops {
			l.add(plan.Instance(), i)
		}
	}
	return c, nil
}

// CompileRoute compiles the settings of a route or virtual host for one filter.
func (r Registry) CompileRoute(f config.StreamFilter) (any, error) {
	kind := r[f.Type]
	if kind.Route == nil {
		return nil, fmt.Errorf("stream filter %q has no settings by route", f.Type)
	}
	return kind.Route(f.Config)
}

// Loop is the chain as one loop has it; nil for a nil chain.
func (c *Chain) Loop(index int) *Instances {
	if c == nil {
		return nil
	}
	return c.loops[index]
}

// Instances are one loop's instances of a chain, by the hooks that they have.
type Instances struct {
	words   int
	request []step[RequestFilter]
	route   []step[RouteFilter]
	body    []step[BodyFilter]
	reply   []step[ReplyFilter]
	end     []step[EndFilter]
}

// step is a filter and the number of its word.
type step[F any] struct {
	filter F
	word   int
}

func (s *Instances) add(f any, word int) {
	s.words = word + 1
	if h, ok := f.(RequestFilter); ok {
		s.request = append(s.request, step[RequestFilter]{h, word})
	}
	if h, ok := f.(RouteFilter); ok {
		s.route = append(s.route, step[RouteFilter]{h, word})
	}
	if h, ok := f.(BodyFilter); ok {
		s.body = append(s.body, step[BodyFilter]{h, word})
	}
	if h, ok := f.(ReplyFilter); ok {
		s.reply = append(s.reply, step[ReplyFilter]{h, word})
	}
	if h, ok := f.(EndFilter); ok {
		s.end = append(s.end, step[EndFilter]{h, word})
	}
}

// Begin makes c ready for another request.
func (s *Instances) Begin(c *Call) {
	words := c.words
	if cap(words) < s.words {
		words = make([]int64, s.words)
	}
	words = words[:s.words]
	clear(words)
	*c = Call{words: words, Edits: c.Edits[:0]}
}

// Request runs the filters before routing.
func (s *Instances) Request(c *Call) Answer {
	for _, f := range s.request {
		if a := f.filter.OnRequest(c, &c.words[f.word]); a != Continue {
			return a
		}
	}
	return Continue
}

// Routed runs the filters after routing, from the one that suspended the request
// on.
func (s *Instances) Routed(c *Call) Answer {
	for ; c.at < len(s.route); c.at++ {
		f := s.route[c.at]
		if a := f.filter.OnRoute(c, &c.words[f.word]); a != Continue {
			return a
		}
	}
	return Continue
}

// Body tells the filters of n more bytes of the body.
func (s *Instances) Body(c *Call, n int) Answer {
	for _, f := range s.body {
		if a := f.filter.OnBody(c, &c.words[f.word], n); a != Continue {
			return a
		}
	}
	return Continue
}

// Reply shows the filters the head of the reply.
func (s *Instances) Reply(c *Call, h codec.Head) {
	for _, f := range s.reply {
		f.filter.OnReply(c, &c.words[f.word], h)
	}
}

// End tells the filters that the request has ended.
func (s *Instances) End(c *Call, r codec.Reason) {
	for _, f := range s.end {
		f.filter.OnEnd(c, &c.words[f.word], r)
	}
}
