// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sideloop/sideloop/config"
)

// Fields of ExportTraceServiceRequest and what is in it.
const (
	requestResourceSpans  = 1
	resourceSpansResource = 1
	resourceSpansScope    = 2
	resourceAttributes    = 1
	scopeSpansScope       = 1
	scopeSpans            = 2
	scopeSpansSchema      = 3
	scopeName             = 1
)

// schema is the version of the conventions that attributes are named by.
const schema = "https://opentelemetry.io/schemas/1.34.0"

// resourceOf says whose spans they are.
func resourceOf(c *config.Tracing) message {
	var m message
	at := m.open(resourceSpansResource)
	m.textAttribute(resourceAttributes, "service.name", c.ServiceName)
	names := make([]string, 0, len(c.Resource))
	for name := range c.Resource {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		m.textAttribute(resourceAttributes, name, c.Resource[name])
	}
	m.close(at)
	return m
}

// appendRequest puts spans into a request.
func appendRequest(m *message, resource, spans []byte) {
	request := m.open(requestResourceSpans)
	*m = append(*m, resource...)
	group := m.open(resourceSpansScope)
	scope := m.open(scopeSpansScope)
	m.text(scopeName, "github.com/sideloop/sideloop")
	m.close(scope)
	*m = append(*m, spans...)
	m.text(scopeSpansSchema, schema)
	m.close(group)
	m.close(request)
}

// run sends batch by batch until the queue is closed.
func (e *Exporter) run(ctx context.Context) {
	defer close(e.done)
	var body message
	for b := range e.queue {
		t := e.target.Load()
		if t.url != "" {
			body = body[:0]
			appendRequest(&body, t.resource, b.bytes)
			e.send(ctx, t, body, b.spans)
			if cap(body) > spareBytes {
				body = nil
			}
		}
		e.reuse(b)
	}
}

// send posts until the collector has answered for good, or for too long.
func (e *Exporter) send(ctx context.Context, t *target, body []byte, spans int) {
	ctx, cancel := context.WithTimeout(ctx, retryFor)
	defer cancel()
	wait := backOffFirst
	for {
		rejected, asked, again, err := e.post(ctx, t, body)
		rejected = min(rejected, spans)
		if err == nil {
			e.sent.Add(uint64(spans - rejected))
			e.failed.Add(uint64(rejected))
			return
		}
		pause := max(asked, wait/2+time.Duration(rand.Int64N(int64(wait/2))))
		if again {
			select {
			case <-time.After(pause):
				wait = min(2*wait, backOffMost)
				continue
			case <-ctx.Done():
			}
		}
		e.failed.Add(uint64(spans))
		e.complain(err, spans)
		return
	}
}

// answerMax is how much of an answer is read.
const answerMax = 64 << 10

// post sends a request once. again tells that the same may succeed later, not
// before asked is over (OTLP/HTTP, failures and throttling).
func (e *Exporter) post(ctx context.Context, t *target, body []byte) (rejected int, asked time.Duration, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return 0, 0, false, err
	}
	q.Header = t.headers.Clone()
	reply, err := e.client.Do(q)
	if err != nil {
		return 0, 0, true, err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(io.LimitReader(reply.Body, answerMax))
	switch s := reply.StatusCode; {
	case s >= 200 && s < 300:
		return rejectedOf(text), 0, false, nil
	case s == http.StatusTooManyRequests || s == http.StatusBadGateway || s == http.StatusServiceUnavailable || s == http.StatusGatewayTimeout:
		again = true
	}
	if seconds, wrong := strconv.Atoi(reply.Header.Get("Retry-After")); wrong == nil && seconds > 0 {
		asked = time.Duration(min(seconds, int(retryFor/time.Second))) * time.Second
	}
	if err == nil {
		err = fmt.Errorf("the collector answers %s", reply.Status)
	}
	return 0, asked, again, err
}

// rejectedOf reads how many spans an ExportTraceServiceResponse rejects:
// partial_success (1), rejected_spans (1). What does not parse rejects none.
func rejectedOf(answer []byte) int {
	partial, ok := field(answer, 1, protowire.BytesType)
	if !ok {
		return 0
	}
	part, n := protowire.ConsumeBytes(partial)
	if n < 0 {
		return 0
	}
	count, ok := field(part, 1, protowire.VarintType)
	if !ok {
		return 0
	}
	v, n := protowire.ConsumeVarint(count)
	if n < 0 || v > batchSpans {
		return 0
	}
	return int(v)
}

// field is what follows the tag of a field.
func field(m []byte, number protowire.Number, kind protowire.Type) ([]byte, bool) {
	for len(m) > 0 {
		found, is, n := protowire.ConsumeTag(m)
		if n < 0 {
			return nil, false
		}
		m = m[n:]
		if found == number && is == kind {
			return m, true
		}
		if n = protowire.ConsumeFieldValue(found, is, m); n < 0 {
			return nil, false
		}
		m = m[n:]
	}
	return nil, false
}

// complain logs that spans are lost, not every time.
func (e *Exporter) complain(err error, spans int) {
	if now := time.Now(); now.Sub(e.complained) >= complainInterval {
		e.complained = now
		c := e.Counts()
		e.log.Warn("tracing: spans are lost", "error", err, "spans", spans, "lost", c.Failed+c.Dropped)
	}
}
