// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// bulkBody is that body, and bulkSum its checksum.
var (
	bulkBody = sync.OnceValue(func() []byte { return body(bulkSize) })
	bulkSum  = sync.OnceValue(func() string { return sumOf(bytes.NewReader(bulkBody())) })
)

// sumOf reads r to its end and returns the checksum.
func sumOf(r io.Reader) string {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return err.Error()
	}
	return textSum(h)
}

func textSum(h hash.Hash) string { return fmt.Sprintf("%x", h.Sum(nil)) }

// bulkService serves the body to /download, answers an /upload with the checksum
// of what came, and sends anything else back.
func bulkService(t testing.TB) *h2Service {
	return startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/download":
			w.Header().Set("Content-Length", fmt.Sprint(bulkSize))
			w.Write(bulkBody())
		case "/upload":
			io.WriteString(w, sumOf(r.Body))
		default:
			echoH2(w, r)
		}
	})
}

// bulkHeld is what a transfer may have held: the windows of its stream, which
// grow to 256 KiB, both ways.
const bulkHeld = 1 << 20

// watchEvery is often for what changes with every window.
const watchEvery = 2 * time.Millisecond

// watchHeld looks at what the proxy holds until the test ends, and checks that it
// was never much.
func watchHeld(t *testing.T, p *proxy, limit int) {
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		often := time.NewTicker(watchEvery)
		defer often.Stop()
		most := 0
		for {
			select {
			case <-stop:
				if most > limit {
					t.Errorf("%d bytes were held", most)
				}
				return
			case <-often.C:
				// A loop that is too busy to answer is asked again.
				h, _ := p.Held()
				most = max(most, h[codec.Hold]+h[codec.Gather])
			}
		}
	})
	t.Cleanup(func() { close(stop); watch.Wait() })
}

// bulkProxy is a proxy in front of a bulk service whose gauges are watched.
func bulkProxy(t *testing.T) *proxy {
	up := bulkService(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest}))
	watchHeld(t, p, bulkHeld)
	return p
}

// 100 MB pass in each direction, and in both at once, unharmed.
func TestBulk(t *testing.T) {
	p := bulkProxy(t)
	c := newH2Client(t)
	for _, path := range []string{"/download", "/upload", "/echo"} {
		t.Run(path[1:], func(t *testing.T) {
			var content io.Reader = http.NoBody
			if path != "/download" {
				content = bytes.NewReader(bulkBody())
			}
			r, err := c.Post("http://"+p.address("in")+path, "application/octet-stream", content)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Body.Close()
			got := ""
			if path == "/upload" {
				b, err := io.ReadAll(r.Body)
				if got = string(b); err != nil {
					t.Fatal(err)
				}
			} else {
				got = sumOf(r.Body)
			}
			if r.StatusCode != 200 || got != bulkSum() {
				t.Errorf("status %d, checksum %s", r.StatusCode, got)
			}
		})
	}
	p.wantOK(3)
}

// A thousand requests of one connection are with the upstream at once.
func TestThousandStreams(t *testing.T) {
	const streams = 1000
	var waiting atomic.Int64
	all := make(chan struct{})
	up := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if waiting.Add(1) == streams {
				close(all)
			}
			<-all
		}
		echoH2(w, r)
	})
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest}))
	c := newH2Client(t)
	// Go's client learns how many streams it may open from the first reply.
	r, err := c.Get("http://" + p.address("in"))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	var wg sync.WaitGroup
	for i := range streams {
		wg.Go(func() {
			if got := h2Outcome(c, p.address("in"), i); got != "ok" {
				t.Errorf("request %d: %s", i, got)
			}
		})
	}
	wg.Wait()
	p.wantOK(1 + streams)
	if n := p.turns().Opened; n > 1+1+streams/100 {
		t.Errorf("%d connections were used", n)
	}
}
