// SPDX-License-Identifier: Apache-2.0

//go:build !race

package convert

import (
	"testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
)

func TestConversionAllocatesNothing(t *testing.T) {
	var there, back Converter
	in := request(boltMap(kv("service", "com.x.Y:1.0"), kv("rpc_trace_context.sofaTraceId", "0a"), kv("x", "\n")))
	reply := *in
	reply.Type, reply.Command = bolt.TypeResponse, bolt.CommandResponse
	thousand := func() {
		for range 1000 {
			h, _ := there.Request(in, codec.HTTP2)
			if _, _, r := back.View(h, codec.Bolt); r != codec.ReasonNone {
				t.Fatal(r)
			}
			h, _, _ = back.Reply(&reply, codec.HTTP2, Asked{Sidecar: true})
			if _, _, r := there.Reply(h, codec.Bolt, Asked{}); r != codec.ReasonNone {
				t.Fatal(r)
			}
		}
	}
	if n := testing.AllocsPerRun(10, thousand); n > 10 {
		t.Errorf("%v allocations in 1,000 requests", n)
	}
}
