// SPDX-License-Identifier: Apache-2.0

package pipeline_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/codec/http2/hpack"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline"
	"github.com/sideloop/sideloop/pipeline/filter"
	"github.com/sideloop/sideloop/tracing"
)

// traced has the requests of a rig traced at a rate, and their spans let go.
type traced struct {
	rate     float64
	exporter *tracing.Exporter
}

func (r *traced) filters(t testing.TB, loops []*eventloop.Loop) *filter.Chain {
	r.exporter = tracing.NewExporter(loops, slog.New(slog.DiscardHandler), &config.Tracing{BatchInterval: time.Hour})
	chain, err := filter.Registry{tracing.Name: tracing.Kind(r.exporter)}.Compile(
		[]config.StreamFilter{{Type: tracing.Name, Config: &config.TraceFilter{SampleRate: r.rate}}}, len(loops))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.exporter.Close(context.Background()) })
	return chain
}

func (r *traced) Observers(want *pipeline.Wanted, loops int) []pipeline.Observer {
	return r.exporter.Observing().Observers(want, loops)
}

// filtersOf is the filters that an observer comes with.
func filtersOf(t testing.TB, reactor *eventloop.Reactor, observing []pipeline.Observing) *filter.Chain {
	for _, o := range observing {
		if r, ok := o.(*traced); ok {
			return r.filters(t, reactor.Loops())
		}
	}
	return nil
}

var parent = []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00")

// withParent is a request whose sender has decided against a span.
func withParent(h codec.Head) codec.Head {
	if b, ok := h.(*bolt.Head); ok {
		c := *b
		c.Map = bolt.HeaderMap(bolt.AppendPair([]byte(b.Map), []byte("traceparent"), parent))
		return &c
	}
	c := *h.(*http2.Head)
	c.Fields = append(c.Fields, hpack.Field{Name: []byte("traceparent"), Value: parent})
	return &c
}

// ways are how a request may be traced.
var ways = []struct {
	name   string
	rate   float64
	parent bool
}{
	{"Decided", 1, true}, // by the client: no
	{"Not", 0, false},
	{"Sampled", 1, false},
}

// BenchmarkTracing is BenchmarkExchange with traces.
func BenchmarkTracing(b *testing.B) {
	for _, r := range rigs {
		for _, way := range ways {
			b.Run(r.name+way.name, func(b *testing.B) {
				g := newRig(b, r.down, r.up, 128, &traced{rate: way.rate})
				if way.parent {
					g.request = withParent(g.request)
				}
				b.ReportAllocs()
				g.on(func() {
					for range 100 {
						g.round()
					}
					b.ResetTimer()
					for i := 0; i < b.N; i += len(g.callers) {
						g.round()
					}
					b.StopTimer()
				})
			})
		}
	}
}
