// SPDX-License-Identifier: Apache-2.0

package bolt

import (
	"encoding/binary"
	"testing"
)

// crowd is client connections whose requests share one upstream connection, as
// in the proxy. Between a request and its reply lie those of all others, so that
// what they touch is measured as well as what they do.
type crowd struct {
	*proxy
	servers  []*serverEnd
	in, back []byte
}

const (
	crowdConns    = 32
	crowdInFlight = 16
)

func newCrowd(body int) *crowd {
	w := &crowd{proxy: newProxy()}
	for range crowdConns {
		s := newServerEnd(nil)
		s.Server = NewServer(&s.sink, &s.owner, w.proxy, &w.client.mem, &s.limits)
		s.sink.quiet = true
		w.servers = append(w.servers, s)
	}
	w.client.sink.quiet = true
	for range crowdInFlight {
		w.in = append(w.in, requestV1(7, string(pattern(body)))...)
		w.back = append(w.back, replyV1(7, string(pattern(body)))...)
	}
	return w
}

// round is one request and reply of all.
func (w *crowd) round() {
	first := w.client.ids.next
	for _, s := range w.servers {
		s.feed(w.in)
	}
	size := len(w.back) / crowdInFlight
	for i := range len(w.servers) {
		for k := range crowdInFlight {
			binary.BigEndian.PutUint32(w.back[k*size+5:], first+uint32(i*crowdInFlight+k))
		}
		w.client.feed(w.back)
	}
	w.client.sink.out = w.client.sink.out[:0]
	for _, s := range w.servers {
		s.sink.out = s.sink.out[:0]
	}
}

func benchmarkForward(b *testing.B, body int) {
	w := newCrowd(body)
	w.round()
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += crowdConns * crowdInFlight {
		w.round()
	}
	if got := len(w.client.sink.out) + w.client.Active(); got != 0 {
		b.Fatal("requests are left")
	}
}

// One request and its reply, parsed, matched and written, of 512 in flight.
func BenchmarkForward128(b *testing.B) { benchmarkForward(b, 128) }
func BenchmarkForward1K(b *testing.B)  { benchmarkForward(b, 1<<10) }
func BenchmarkForward16K(b *testing.B) { benchmarkForward(b, 16<<10) }

func BenchmarkDecode(b *testing.B) {
	frame := requestV1(7, string(pattern(128)))
	var h Head
	b.ReportAllocs()
	for b.Loop() {
		e, _, _ := measure(frame)
		h.decode(frame[:e.head])
		if !h.Map.Valid() {
			b.Fatal("not valid")
		}
	}
}

func BenchmarkPutHead(b *testing.B) {
	frame := requestV1(7, string(pattern(128)))
	var h Head
	e, _, _ := measure(frame)
	h.decode(frame[:e.head])
	st := stampOf(&h)
	room := make([]byte, st.headSize(&h))
	b.ReportAllocs()
	for b.Loop() {
		st.putHead(room, &h, 128)
	}
}

func BenchmarkHeaderMapGet(b *testing.B) {
	var m HeaderMap
	for _, key := range []string{"sofa_head_target_app", "sofa_head_method_name", "rpc_trace_context.sofaRpcId", "service"} {
		m = AppendPair(m, []byte(key), []byte("com.example.Echo:1.0"))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := m.Get("service"); !ok {
			b.Fatal("not found")
		}
	}
}

func BenchmarkIDs(b *testing.B) {
	var t ids
	s := new(stream)
	b.ReportAllocs()
	for b.Loop() {
		t.add(s)
		if t.get(s.stamp.id) != s {
			b.Fatal("not found")
		}
		t.remove(s)
	}
}
