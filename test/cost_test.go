// SPDX-License-Identifier: Apache-2.0

//go:build !race

package test

import (
	"encoding/binary"
	"io"
	"net"
	"runtime/metrics"
	"testing"
)

// The peers of these tests allocate nothing themselves, because allocations are
// counted for the whole process.

// inFlight is the requests under way at once.
const inFlight = 512

// startFlatService answers 22-byte requests without class and map, whatever
// their content, from buffers of its own.
func startFlatService(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerFlat(c)
		}
	}()
	return l.Addr().String()
}

func answerFlat(c net.Conn) {
	defer c.Close()
	in, out := make([]byte, 0, 1<<20), make([]byte, 0, 1<<20)
	for {
		n, err := c.Read(in[len(in):cap(in)])
		if err != nil {
			return
		}
		in = in[:len(in)+n]
		rest := in
		for len(rest) >= 22 {
			size := 22 + int(binary.BigEndian.Uint16(rest[14:])) + int(binary.BigEndian.Uint16(rest[16:])) + int(binary.BigEndian.Uint32(rest[18:]))
			if len(rest) < size {
				break
			}
			out = append(out, 1, 0, 0, 2, 1)
			out = append(out, rest[5:10]...) // id and codec
			out = append(out, 0, 0, 0, 0, 0, 0)
			out = append(out, rest[18:22]...)
			out = append(out, rest[size-int(binary.BigEndian.Uint32(rest[18:])):size]...)
			rest = rest[size:]
		}
		in = in[:copy(in[:cap(in)], rest)]
		if _, err := c.Write(out); err != nil {
			return
		}
		out = out[:0]
	}
}

// flatClient keeps inFlight requests of 128 bytes under way.
type flatClient struct {
	conn       net.Conn
	batch, got []byte
}

func dialFlat(t testing.TB, address string) *flatClient {
	t.Helper()
	c := &flatClient{conn: dial(t, address)}
	f := newBoltRequest(service, body(128))
	f.class = ""
	for i := range inFlight {
		f.id = uint32(i)
		c.batch = append(c.batch, f.encode()...)
	}
	c.got = make([]byte, inFlight*(20+128))
	return c
}

// round sends a batch and reads its replies.
func (c *flatClient) round(t testing.TB) {
	if _, err := c.conn.Write(c.batch); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c.conn, c.got); err != nil {
		t.Fatal(err)
	}
	if c.got[0] != 1 || c.got[10] != 0 || c.got[11] != 0 {
		t.Fatalf("the first reply begins %x", c.got[:20])
	}
}

func boltToBolt(t testing.TB) *proxy {
	return startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
		hosts: []string{startFlatService(t)}, clusterKV: `, "max_request_per_conn": 4000000000`}))
}

func TestExchangeAllocatesNothing(t *testing.T) {
	wantNoAllocations(t, boltToBolt(t))
}

// Nor do filters allocate anything per request.
func TestFiltersAllocateNothing(t *testing.T) {
	p := startProxy(t, filtered(`{"type": "ip_access", "config": {"ips": [{"action": "deny", "addrs": ["10.0.0.0/8"]}]}},
 {"type": "header_to_metadata", "config": {"request_rules": [{"header": "absent", "on_header_present": {"key": "k"}}]}},
 {"type": "adaptive_concurrency", "config": {"gradient_controller_config": {"concurrency_limit_params": {"max_concurrency_limit": 100000}, "min_rtt_calc_params": {"fixed_value": "1h", "min_concurrency": 100000}}}},
 {"type": "fault", "config": {"upstream_cluster": "other", "abort": {"percentage": 100, "status": 500}}},
 {"type": "local_rate_limit", "config": {"token_bucket": {"max_tokens": 100000000, "fill_interval": "1s"}, "descriptors": [{"entries": [{"key": "service"}], "token_bucket": {"max_tokens": 100000000, "fill_interval": "1s"}}]}},
 {"type": "payload_limit", "config": {"max_entity_size": 100000}}`,
		hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{startFlatService(t)}, clusterKV: `, "max_request_per_conn": 4000000000`}))
	wantNoAllocations(t, p)
}

// TestEditedExchangeAllocatesNothing: a route that changes headers, chooses its
// cluster by chance and hashes costs no memory either.
func TestEditedExchangeAllocatesNothing(t *testing.T) {
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
		hosts: []string{startFlatService(t)}, clusterKV: `, "max_request_per_conn": 4000000000`,
		route: `, "weighted_clusters": [{"cluster": {"name": "in", "weight": 1}}], "hash_policy": [{"source_ip": {}}],
 "request_headers_to_add": [{"header": {"key": "x-from", "value": "%downstream_remote_address% %request_header_service%"}}, {"header": {"key": "service", "value": "b"}}],
 "request_headers_to_remove": ["gone"], "response_headers_to_remove": ["gone"]`}))
	wantNoAllocations(t, p)
}

// wantNoAllocations makes calls through the listener "in".
func wantNoAllocations(t *testing.T, p *proxy) {
	t.Helper()
	c := dialFlat(t, p.address("in"))
	for range 20 {
		c.round(t)
	}
	n := testing.AllocsPerRun(20, func() {
		c.round(t)
		c.round(t)
	})
	// gnet's task queue may cost two per turn, and a turn carries many.
	if perRequest := n / (2 * inFlight); perRequest > 0.01 {
		t.Errorf("%v allocations per request (%v per %d)", perRequest, n, 2*inFlight)
	}
}

func TestAllocationsOverRealSockets(t *testing.T) {
	p := boltToBolt(t)
	c := dialFlat(t, p.address("in"))
	for range 20 {
		c.round(t)
	}
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	rounds := scale(200)
	for range rounds {
		c.round(t)
	}
	metrics.Read(sample)
	perRequest := float64(sample[0].Value.Uint64()-before) / float64(rounds*inFlight)
	t.Logf("%.5f allocations per request over %d requests", perRequest, rounds*inFlight)
	if perRequest > 0.01 {
		t.Errorf("%.5f allocations per request", perRequest)
	}
}

// Under load there is one write per connection per turn, and one more for each
// further 64 KiB, by the loops' own count.
func TestWritesPerTurn(t *testing.T) {
	p := boltToBolt(t)
	c := dialFlat(t, p.address("in"))
	for range 20 {
		c.round(t)
	}
	before := p.turns()
	rounds := scale(200)
	for range rounds {
		c.round(t)
	}
	after := p.turns()
	turns, writes := after.Turns-before.Turns, after.Writes-before.Writes
	bytes := after.BytesWritten - before.BytesWritten
	requests := uint64(rounds * inFlight)
	t.Logf("%d requests: %d turns, %d reads, %d writes, %d bytes written", requests, turns, after.Reads-before.Reads, writes, bytes)
	// One downstream and one upstream connection.
	if writes > 2*turns+bytes>>16 {
		t.Errorf("%d writes in %d turns of two connections", writes, turns)
	}
	if writes*16 > requests {
		t.Errorf("%d writes for %d requests: frames are not coalesced", writes, requests)
	}
}
