// SPDX-License-Identifier: Apache-2.0

package tracing

import "github.com/sideloop/sideloop/pipeline"

// Observing makes the spans of a listener whose requests the filter has seen.
func (e *Exporter) Observing() pipeline.Observing { return (*observing)(e) }

type observing Exporter

// Observers implements pipeline.Observing.
func (o *observing) Observers(want *pipeline.Wanted, loops int) []pipeline.Observer {
	want.Target()
	h := &headers{service: want.RequestHeader("service"), method: want.RequestHeader("sofa_head_method_name")}
	list := make([]pipeline.Observer, loops)
	for i := range list {
		list[i] = &observer{o.recorders[i], h}
	}
	return list
}

// observer is that of one listener on one loop.
type observer struct {
	recorder *recorder
	headers  *headers
}

// Ended implements pipeline.Observer.
func (o *observer) Ended(e *pipeline.Ended) {
	if t, ok := e.Trace.(*trace); ok && t.sampled {
		o.recorder.record(t, e, o.headers)
	}
}
