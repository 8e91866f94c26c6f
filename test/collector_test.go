// SPDX-License-Identifier: Apache-2.0

package test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// collector takes spans by OTLP/HTTP, decoded by OpenTelemetry's own types.
type collector struct {
	t       testing.TB
	address string
	server  *http.Server

	mu       sync.Mutex
	posts    int
	spans    []span
	resource map[string]string
	header   http.Header
	refuse   int // the status of posts that are not taken, 0 to take them
	reject   int // spans of each post that are said to be rejected
	hold     chan struct{}
}

// span is one, with its attributes as texts.
type span struct {
	*otlp.Span
	attributes map[string]string
}

func (s *span) trace() string  { return hex.EncodeToString(s.TraceId) }
func (s *span) id() string     { return hex.EncodeToString(s.SpanId) }
func (s *span) parent() string { return hex.EncodeToString(s.ParentSpanId) }

func startCollector(t testing.TB) *collector {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{t: t, address: l.Addr().String(), hold: make(chan struct{})}
	close(c.hold)
	c.server = &http.Server{Handler: c}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.server.Serve(l)
	}()
	t.Cleanup(func() {
		c.server.Close()
		<-done
	})
	return c
}

// ServeHTTP takes one post.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	c.mu.Lock()
	hold := c.hold
	c.mu.Unlock()
	select {
	case <-hold:
	case <-r.Context().Done():
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.posts++
	if c.refuse != 0 {
		w.WriteHeader(c.refuse)
		return
	}
	// ExportTraceServiceRequest and TracesData have the same form.
	var data otlp.TracesData
	if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		c.t.Errorf("%s %s %v: %v", r.Method, r.URL, r.Header, err)
	} else if err := proto.Unmarshal(body, &data); err != nil {
		c.t.Errorf("a post does not parse: %v", err)
	}
	c.header = r.Header
	for _, rs := range data.ResourceSpans {
		c.resource = texts(rs.Resource.Attributes)
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				c.spans = append(c.spans, span{s, texts(s.Attributes)})
			}
		}
	}
	if c.reject > 0 {
		partial := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(c.reject))
		w.Write(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial))
	}
}

func texts(list []*common.KeyValue) map[string]string {
	m := make(map[string]string)
	for _, a := range list {
		if _, twice := m[a.Key]; twice {
			m[a.Key] = "twice"
		} else if i, ok := a.Value.Value.(*common.AnyValue_IntValue); ok {
			m[a.Key] = fmt.Sprint(i.IntValue)
		} else {
			m[a.Key] = a.Value.GetStringValue()
		}
	}
	return m
}

// wait returns the next n spans, in the order of their listeners' names.
func (c *collector) wait(n int) []span {
	c.t.Helper()
	eventually(c.t, fmt.Sprintf("%d spans have come", n), func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.spans) >= n
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	spans := c.spans
	c.spans = nil
	if len(spans) != n {
		c.t.Fatalf("%d spans, want %d", len(spans), n)
	}
	return spans
}

// one is the span of the only request.
func (c *collector) one() *span { c.t.Helper(); return &c.wait(1)[0] }

// set changes how posts are answered.
func (c *collector) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// traced is a configuration with tracing to the collector, by more settings of the
// driver, each beginning with a comma.
func (c *collector) traced(text, more string) string {
	return strings.Replace(text, `{"servers"`, fmt.Sprintf(
		`{"tracing": {"enable": true, "driver": "otel", "config": {"service_name": "tests", "endpoint": %q, "batch_interval": "10ms"%s}}, "servers"`,
		c.address, more), 1)
}

// want checks attributes; "" is for one that must not be there.
func (s *span) want(t testing.TB, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := s.attributes[pairs[i]]; got != pairs[i+1] {
			t.Errorf("span %q: %s is %q, want %q", s.Name, pairs[i], got, pairs[i+1])
		}
	}
}
