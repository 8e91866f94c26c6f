// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/sideloop/sideloop/bench"
)

// A reply that nobody has read while it was on its way is there in whole.
func TestStalledTransfers(t *testing.T) {
	content := bench.Content(4 << 20) // over what sockets and windows take
	for speaks, begin := range map[bench.Speaks]func(context.Context, string, []byte) (io.ReadCloser, error){
		bench.SpeaksBolt: beginBolt, bench.SpeaksHTTP2: beginHTTP2,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		served, bound := make(chan error, 1), make(chan string, 1)
		go func() {
			served <- bench.RunEcho(ctx, "127.0.0.1:0", bench.Service{Speaks: speaks}, 1, func(a net.Addr) { bound <- a.String() })
		}()
		reply, err := begin(ctx, <-bound, content)
		if err != nil {
			t.Fatalf("%v: %v", speaks, err)
		}
		got := make([]byte, len(content))
		if _, err := io.ReadFull(reply, got); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%v: other content, %v", speaks, err)
		}
		_ = reply.Close()
		cancel()
		if err := <-served; err != nil {
			t.Errorf("%v: %v", speaks, err)
		}
	}
}

// A stall ends with the suite, and says what went wrong.
func TestStallEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if c, err := l.Accept(); err == nil {
			cancel()
			_ = c.Close()
		}
	}()
	r := &runner{Options: Options{Measure: time.Hour}}
	sc := scenarios(t, "stall-bolt")[0]
	sc.body = 1 << 10
	if _, err := r.stall(ctx, sc, &way{address: l.Addr().String(), backend: &process{ended: make(chan struct{})}}); err == nil {
		t.Error("no error")
	}
}
