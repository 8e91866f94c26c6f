// SPDX-License-Identifier: Apache-2.0

//go:build !race

package http2

import (
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// BenchmarkExchange is a request and its reply through a client and a server,
// sixteen at a time.
func BenchmarkExchange(b *testing.B) {
	const together = 16
	var mem codec.Memory
	limits := DefaultLimits()
	owner := &quietOwner{}
	up, down := newSink(), newSink()
	answer := &echo{reply: &Head{Status: 200, Fields: fields("content-type", "text/plain", "server", "echo")}}
	server := NewServer(down, owner, answer, &mem, &limits)
	client := NewClient(up, owner, &mem, &limits)
	request := &Head{MethodName: []byte("POST"), PathName: []byte("/echo?a=b"), AuthorityName: []byte("host"),
		Fields: fields("content-type", "text/plain", "user-agent", "test")}
	body := make([]byte, 512)
	counts := &counter{}
	now := int64(0)
	pass := func() {
		now += 1_000_000
		server.Feed(up.out, now)
		up.out = up.out[:0]
		client.Feed(down.out, now)
		down.out = down.out[:0]
	}
	pass()
	pass()
	b.ReportAllocs()
	for b.Loop() {
		for range together {
			counts.stream = client.Open(counts)
			counts.stream.SendHeaders(request, body, true)
		}
		pass()
	}
	if owner.shut > 0 || counts.ended == 0 {
		b.Fatalf("%d replies; ended %d times", counts.ended, owner.shut)
	}
}
