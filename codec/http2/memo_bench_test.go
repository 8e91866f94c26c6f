// SPDX-License-Identifier: Apache-2.0

//go:build !race

package http2

import (
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// benchmarkEcho sends requests from a client session to a server session and
// back, ten at a time; next makes the head of each.
func benchmarkEcho(b *testing.B, size int, next func(i int) *Head) {
	var mem codec.Memory
	limits := DefaultLimits()
	owner := &quietOwner{}
	up, down := newSink(), newSink()
	answer := &echo{reply: &Head{Status: 200, Fields: fields("content-type", "text/plain")}}
	server := NewServer(down, owner, answer, &mem, &limits)
	client := NewClient(up, owner, &mem, &limits)
	body := make([]byte, size)
	var receivers [10]counter
	now := int64(1)
	b.ReportAllocs()
	for i := 0; i < b.N; i += len(receivers) {
		for k := range receivers {
			r := &receivers[k]
			r.stream = client.Open(r)
			r.stream.SendHeaders(next(i+k), body, true)
		}
		for len(up.out)+len(down.out) > 0 {
			now += second / 100
			n := server.Feed(up.out, now)
			up.out = up.out[:copy(up.out, up.out[n:])]
			n = client.Feed(down.out, now)
			down.out = down.out[:copy(down.out, down.out[n:])]
		}
	}
	if owner.shut != 0 {
		b.Fatal("a session was shut")
	}
}

func callHead(trace string) *Head {
	return &Head{MethodName: []byte("POST"), Scheme: []byte("http"), PathName: []byte("/echo"), AuthorityName: []byte("host"),
		Fields: fields("content-type", "text/plain", "user-agent", "test", "trace", trace)}
}

// BenchmarkHeads is a request and its reply: with the same head each time,
// with one that the memo has, and with a field that never comes again.
func BenchmarkHeads(b *testing.B) {
	same := callHead("0")
	frozen := callHead("0").Freeze()
	b.Run("same", func(b *testing.B) { benchmarkEcho(b, 128, func(int) *Head { return same }) })
	b.Run("frozen", func(b *testing.B) { benchmarkEcho(b, 128, func(int) *Head { return frozen }) })
	b.Run("new", func(b *testing.B) {
		value := []byte("0000000000000000")
		h := callHead("")
		h.Fields[2].Value = value
		benchmarkEcho(b, 128, func(i int) *Head {
			for k := range value {
				value[k] = 'a' + byte(i>>k&15)
			}
			return h
		})
	})
}

// BenchmarkFrameHead writes and parses the nine bytes that begin a frame.
func BenchmarkFrameHead(b *testing.B) {
	frame := make([]byte, headSize)
	b.ReportAllocs()
	for b.Loop() {
		f := frameHead{kind: frameData, id: 1, length: 1024}
		f.put(frame)
		if parseHead(frame) != f {
			b.Fatal("another frame")
		}
	}
}
