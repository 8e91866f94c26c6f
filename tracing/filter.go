// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"math"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
	"github.com/sideloop/sideloop/tracing/propagation"
)

// Name is what configurations call the filter.
const Name = "tracing"

// Kind is the filter of a process with that exporter; nil is for compiling only.
func Kind(e *Exporter) filter.Kind {
	return filter.Kind{
		Listener: func(settings any) (filter.Plan, error) {
			return &plan{settings: settings.(*config.TraceFilter), exporter: e}, nil
		},
		Route: func(settings any) (any, error) {
			t := threshold(settings.(*config.TraceSampling).SampleRate)
			return &t, nil
		},
	}
}

// plan makes the instances of a listener, loop by loop.
type plan struct {
	settings *config.TraceFilter
	exporter *Exporter
	made     int
}

// Instance implements filter.Plan.
func (p *plan) Instance() any {
	s := &sampler{settings: p.settings, threshold: threshold(p.settings.SampleRate)}
	if p.exporter != nil {
		s.recorder = p.exporter.recorders[p.made]
	}
	p.made++
	return s
}

// threshold is what the number of a trace must be below to be sampled. The number
// is the lower half of the trace's id without its lowest bit, as with OpenTelemetry's
// sampler by ratio, so that whoever has the same ratio decides alike.
func threshold(rate float64) uint64 {
	switch {
	case rate >= 1:
		return math.MaxUint64
	case rate <= 0:
		return 0
	}
	return uint64(rate * (1 << 63))
}

// sampler is the filter on one loop.
type sampler struct {
	settings  *config.TraceFilter
	threshold uint64
	recorder  *recorder
}

// OnRequest implements filter.RequestFilter: how the request stands in a trace is
// read, and decided by the listener's rate. What fails before it has a route has a
// span, too.
func (s *sampler) OnRequest(c *filter.Call, _ *int64) filter.Answer {
	context := propagation.Extract(c.Head)
	if s.settings.OwnDecision {
		context.Decided, context.Sampled, context.Debug = false, false, false
	}
	if context.Decided && !context.HasIDs && !context.Sampled {
		return filter.Continue // B3 says no, and there is nothing to pass on but that
	}
	t := s.recorder.take()
	t.context, t.client = context, s.settings.Client
	c.Trace = t
	if !context.HasIDs {
		s.recorder.newTrace(&t.context)
	}
	if context.Decided {
		t.sampled = context.Sampled
	} else {
		t.sampled = s.recorder.decide(&t.context, s.threshold, c.Now)
	}
	if t.sampled {
		s.begin(t)
	}
	return filter.Continue
}

// begin makes the span of a request that is sampled.
func (s *sampler) begin(t *trace) {
	t.span = s.recorder.newSpan()
	t.state = t.keep(t.context.State, stateMax)
	t.origin, t.path = t.keep(t.context.OriginTrace, cap(t.text)), t.keep(t.context.OriginSpan, cap(t.text))
}

// OnRoute implements filter.RouteFilter: a route may have a rate of its own, and
// then it is known what the host is told. A request whose sender has decided
// against a span passes as it is.
func (s *sampler) OnRoute(c *filter.Call, _ *int64) filter.Answer {
	t, _ := c.Trace.(*trace)
	if t == nil {
		return filter.Continue
	}
	if rate, ok := c.Route.FilterConfig(Name).(*uint64); ok && !t.context.Decided {
		was := t.sampled
		if t.sampled = s.recorder.decide(&t.context, *rate, c.Now); t.sampled && !was {
			s.begin(t)
		}
	}
	if t.sampled || !t.context.Decided {
		s.propagate(c, t)
	}
	return filter.Continue
}

var (
	traceparent = []byte(propagation.Traceparent)
	tracestate  = []byte(propagation.Tracestate)
	b3Single    = []byte(propagation.B3Single)
	b3TraceID   = []byte(propagation.B3TraceID)
	b3SpanID    = []byte(propagation.B3SpanID)
	b3ParentID  = []byte(propagation.B3ParentID)
	b3Sampled   = []byte(propagation.B3Sampled)
	b3Flags     = []byte(propagation.B3Flags)
	yes, no     = []byte("1"), []byte("0")
)

// propagate says which headers tell the host of the trace: W3C's always, B3's where
// the request came with them or the configuration wants them. SOFATracer's stay as
// they are. Where no span is made of an undecided request, its host is told so,
// with the sender's span as the parent or one that nobody has.
func (s *sampler) propagate(c *filter.Call, t *trace) {
	x := &t.context
	parent := &t.span
	if !t.sampled {
		parent = &x.Parent
		if none(parent) {
			t.span = s.recorder.newSpan()
			parent = &t.span
		}
	}
	start := len(t.text)
	t.text = propagation.AppendTraceparent(t.text, &x.TraceID, parent, t.sampled, x.Random)
	c.Edits = append(c.Edits, filter.Edit{Name: traceparent, Value: t.written(start)})
	if x.Format != propagation.W3C {
		if _, stale := c.Head.Get(propagation.Tracestate); stale {
			c.Edits = append(c.Edits, filter.Edit{Name: tracestate})
		}
	}
	id := x.TraceID[:]
	if x.Short {
		id = id[16:]
	}
	if _, came := c.Head.Get(propagation.B3Single); came || s.settings.B3 {
		start = len(t.text)
		t.text = propagation.AppendB3(t.text, id, parent[:], nil, t.sampled, x.Debug)
		c.Edits = append(c.Edits, filter.Edit{Name: b3Single, Value: t.written(start)})
	}
	if cameMulti(c.Head) || s.settings.B3Multi {
		propagateMulti(c, t, id, parent[:])
	}
}

// cameMulti tells that a request has headers of B3's several.
func cameMulti(h filter.View) bool {
	for _, name := range [...]string{propagation.B3TraceID, propagation.B3Sampled, propagation.B3Flags} {
		if _, ok := h.Get(name); ok {
			return true
		}
	}
	return false
}

func propagateMulti(c *filter.Call, t *trace, id, parent []byte) {
	c.Edits = append(c.Edits, filter.Edit{Name: b3TraceID, Value: id}, filter.Edit{Name: b3SpanID, Value: parent})
	above := filter.Edit{Name: b3ParentID}
	if t.sampled && !none(&t.context.Parent) {
		above.Value = t.context.Parent[:]
	}
	decision := no
	if t.sampled {
		decision = yes
	}
	c.Edits = append(c.Edits, above)
	if t.context.Debug {
		c.Edits = append(c.Edits, filter.Edit{Name: b3Flags, Value: yes}, filter.Edit{Name: b3Sampled})
	} else {
		c.Edits = append(c.Edits, filter.Edit{Name: b3Sampled, Value: decision}, filter.Edit{Name: b3Flags})
	}
}

// none tells of a parent that nobody has named.
func none(id *[16]byte) bool { return id[0] == 0 }

// OnEnd implements filter.EndFilter.
func (s *sampler) OnEnd(c *filter.Call, _ *int64, _ codec.Reason) {
	if t, ok := c.Trace.(*trace); ok {
		s.recorder.give(t)
	}
}

// limiter lets so many pass in a second, and as many at once.
type limiter struct {
	interval int64 // 0 for no limit
	next     int64
}

func limit(perSecond uint32, loops int) limiter {
	if perSecond == 0 {
		return limiter{}
	}
	return limiter{interval: int64(time.Second) * int64(loops) / int64(perSecond)}
}

func (l *limiter) pass(now int64) bool {
	if l.interval == 0 {
		return true
	}
	next := max(l.next, now-max(0, int64(time.Second)-l.interval))
	if next > now {
		return false
	}
	l.next = next + l.interval
	return true
}
