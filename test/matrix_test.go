// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// sizes are the bodies that every path must carry: none, one byte, one frame
// and many windows.
var sizes = []int{0, 1, 64 << 10, 16 << 20}

// body is n reproducible random bytes.
func body(n int) []byte {
	b := make([]byte, n)
	rand.New(rand.NewSource(int64(n))).Read(b)
	return b
}

const service = "com.example.Echo:1.0"

// wantOK checks that nothing failed and nothing is held any more.
func (p *proxy) wantOK(requests int) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%d requests ended well", requests),
		func() bool { return p.ended(codec.ReasonNone) == uint64(requests) })
	for r := codec.ReasonNone + 1; r < codec.ReasonCount; r++ {
		if n := p.ended(r); n != 0 {
			p.t.Errorf("%d requests ended with %v", n, r)
		}
	}
	p.wantNothingHeld()
}

func TestBoltToBolt(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
	echoOverBolt(t, dialBolt(t, p.address("in")))
	p.wantOK(4 * len(sizes))
}

// echoOverBolt calls every size in each version of the protocol.
func echoOverBolt(t *testing.T, c *boltClient) {
	t.Helper()
	for _, n := range sizes {
		for _, version := range []boltFrame{{version: 1}, {version: 2, ver1: 1}, {version: 2, ver1: 2, switches: 1}, {version: 2, ver1: 2}} {
			f := newBoltRequest(service, body(n))
			f.version, f.ver1, f.switches = version.version, version.ver1, version.switches
			r := c.mustCall(t, f)
			wantBoltEcho(t, f, r)
			if r.version != f.version || r.crc() != f.crc() {
				t.Errorf("%d bytes: asked in v%d (checksum %v), answered in v%d (%v)", n, f.version, f.crc(), r.version, r.crc())
			}
		}
	}
	if c.strays > 0 {
		t.Errorf("%d replies that nobody waited for", c.strays)
	}
}

func TestHTTP2ToHTTP2(t *testing.T) {
	up := startH2Service(t, "127.0.0.1:0", echoH2)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest}))
	c := newH2Client(t)
	for _, known := range []bool{true, false} {
		for _, n := range sizes {
			r := postH2(t, c, p.address("in"), body(n), known, http.Header{"X-Test": {"a", "b"}})
			if r.status != 200 || !bytes.Equal(r.body, body(n)) {
				t.Errorf("%d bytes: status %d, %d bytes back", n, r.status, len(r.body))
			}
			if got := fmt.Sprint(r.header["X-Echo-X-Test"]); got != "[a b]" {
				t.Errorf("%d bytes: the repeated header came back as %s", n, got)
			}
		}
	}
	p.wantOK(2 * len(sizes))
}

// h2Reply is a reply that was read to its end.
type h2Reply struct {
	status  int
	header  http.Header
	trailer http.Header
	body    []byte
}

// postH2 posts b; without known there is no content-length.
func postH2(t testing.TB, c *http.Client, address string, b []byte, known bool, h http.Header) h2Reply {
	t.Helper()
	r, err := tryH2(c, address, b, known, h)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func tryH2(c *http.Client, address string, b []byte, known bool, h http.Header) (h2Reply, error) {
	var from io.Reader = bytes.NewReader(b)
	if !known {
		from = io.MultiReader(from) // hides the length
	}
	q, err := http.NewRequest("POST", "http://"+address+"/", from)
	if err != nil {
		return h2Reply{}, err
	}
	for k, v := range h {
		q.Header[k] = v
	}
	r, err := c.Do(q)
	if err != nil {
		return h2Reply{}, err
	}
	defer r.Body.Close()
	got, err := io.ReadAll(r.Body)
	return h2Reply{r.StatusCode, r.Header, r.Trailer, got}, err
}

func TestBoltToHTTP2(t *testing.T) {
	up := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if s := r.Header.Get("Service"); s != service {
			http.Error(w, "service "+s, http.StatusBadRequest)
			return
		}
		echoH2(w, r)
	})
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{up.address()}}))
	c := dialBolt(t, p.address("in"))
	for _, n := range sizes {
		f := newBoltRequest(service, body(n))
		r := c.mustCall(t, f)
		wantBoltEcho(t, f, r)
		if r.get("x-echo-service") != service {
			t.Errorf("%d bytes: the reply's headers are %v", n, r.pairs)
		}
	}
	p.wantOK(len(sizes))
}

func TestHTTP2ToBolt(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}}))
	c := newH2Client(t)
	for _, n := range sizes {
		r := postH2(t, c, p.address("in"), body(n), true, http.Header{"Service": {service}})
		if r.status != 200 || !bytes.Equal(r.body, body(n)) || r.header.Get("Service") != service {
			t.Errorf("%d bytes: status %d, %d bytes back, headers %v", n, r.status, len(r.body), r.header)
		}
	}
	// Without a length the body is gathered, as long as it is not too large.
	for n, want := range map[int]int{0: 200, 100: 200, 1 << 20: 200, 1<<20 + 1: 413} {
		r := postH2(t, c, p.address("in"), body(n), false, http.Header{"Service": {service}})
		if r.status != want || want == 200 && !bytes.Equal(r.body, body(n)) {
			t.Errorf("%d bytes of unknown length: status %d, %d bytes back", n, r.status, len(r.body))
		}
		if want == 413 && r.header.Get("x-sideloop-reason") != "body_too_large" {
			t.Errorf("the reason is %q", r.header.Get("x-sideloop-reason"))
		}
	}
	p.wantNothingHeld()
}

// The seed's shape: Bolt, HTTP/2 between two listeners, Bolt.
func TestBoltAcrossTwoSidecars(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	far := startProxy(t, configOf(hop{name: "server", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}}))
	near := startProxy(t, configOf(hop{name: "client", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{far.address("server")}}))
	echoOverBolt(t, dialBolt(t, near.address("client")))

	c := dialBolt(t, near.address("client"))
	f := newBoltRequest(service, []byte("x"))
	f.codec, f.timeout = 11, 12345
	f.pairs = append(f.pairs, pair{[]byte("rpc_trace_context.sofaTraceId"), []byte("0a")}, pair{[]byte(":path"), []byte("/\r\n")},
		pair{[]byte("Service"), []byte("other")}, pair{[]byte("\u670d\u52a1"), []byte("\u4f60\u597d")}, pair{[]byte("empty"), []byte{}},
		pair{[]byte("null"), nil}, pair{[]byte("dup"), []byte("1")}, pair{[]byte("dup"), []byte("2")}, pair{nil, []byte("no key")})
	r := c.mustCall(t, f)
	wantBoltEcho(t, f, r)
	if fmt.Sprintf("%q", r.pairs) != fmt.Sprintf("%q", f.pairs) || r.codec != 11 {
		t.Errorf("codec %d, pairs\n%q, want\n%q", r.codec, r.pairs, f.pairs)
	}
	near.wantOK(4*len(sizes) + 1)
	far.wantOK(4*len(sizes) + 1)
}

// Many calls on few connections: replies find their way back.
func TestManyInFlight(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	h2 := startH2Service(t, "127.0.0.1:0", echoH2)
	p := startProxy(t, configOf(
		hop{name: "bolt", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}},
		hop{name: "mixed", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{h2.address()}},
	))
	calls := scale(2000)
	errs := make(chan error, calls)
	for _, listener := range []string{"bolt", "mixed"} {
		clients := []*boltClient{dialBolt(t, p.address(listener)), dialBolt(t, p.address(listener)), dialBolt(t, p.address(listener))}
		inFlight := make(chan struct{}, 512)
		for i := range calls {
			inFlight <- struct{}{}
			go func() {
				defer func() { <-inFlight }()
				errs <- echoOnce(clients[i%len(clients)], fmt.Sprintf("call %d of %s", i, listener))
			}()
		}
		for range calls {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
	}
	p.wantOK(2 * calls)
}

func echoOnce(c *boltClient, text string) error {
	sum := sha256.Sum256([]byte(text))
	f := newBoltRequest(service, append([]byte(text), sum[:]...))
	r, err := c.call(f)
	if err != nil {
		return err
	}
	if r.status != 0 || !bytes.Equal(r.content, f.content) {
		return fmt.Errorf("%s: status %d (%s), %d bytes", text, r.status, r.get("x-sideloop-reason"), len(r.content))
	}
	return nil
}
