// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
)

// arrived is h as it comes off the wire, with its bytes.
func arrived(h *bolt.Head) *bolt.Head {
	raw := []byte{h.Version}
	if h.Version == bolt.V2 {
		raw = append(raw, h.Ver1)
	}
	raw = append(raw, h.Type)
	raw = binary.BigEndian.AppendUint16(raw, h.Command)
	raw = append(raw, h.Ver2)
	raw = binary.BigEndian.AppendUint32(raw, h.ID)
	raw = append(raw, h.Codec)
	if h.Version == bolt.V2 {
		raw = append(raw, h.Switch)
	}
	if h.Type == bolt.TypeResponse {
		raw = binary.BigEndian.AppendUint16(raw, h.Status)
	} else {
		raw = binary.BigEndian.AppendUint32(raw, uint32(h.TimeoutMS))
	}
	raw = binary.BigEndian.AppendUint16(raw, uint16(len(h.Class)))
	raw = binary.BigEndian.AppendUint16(raw, uint16(len(h.Map)))
	raw = binary.BigEndian.AppendUint32(raw, h.ContentLength)
	n := *h
	n.Raw = append(append(raw, h.Class...), h.Map...)
	return &n
}

// said is all that a converted head says.
func said(h codec.Head) string {
	switch h := h.(type) {
	case *http2.Head:
		return fmt.Sprintf("%s %s %s %s %d %d %q", h.MethodName, h.Scheme, h.AuthorityName, h.PathName, h.Status, h.ContentLength, dump(h))
	case *bolt.Head:
		n := *h
		n.Raw = nil
		return fmt.Sprintf("%+v", n)
	}
	return fmt.Sprint(h)
}

// TestMemo converts heads of a small world, most of which come again and again
// under new ids, and compares each with the conversion that knows no other.
func TestMemo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Converter
		small := func(name string, n int) int { return rapid.IntRange(0, n-1).Draw(t, name) }
		frozen := make(map[string]*http2.Head)
		found := 0
		for id := range 60 {
			h := request(boltMap(kv("service", fmt.Sprint("s", small("service", 2))), kv([]string{"k", "K"}[small("key", 2)], "v")))
			h.ID, h.Version = uint32(id)<<8, bolt.V1+byte(small("version", 2))
			h.ContentLength = uint32(small("length", 2))
			asked := Asked{Sidecar: small("sidecar", 2) == 1}
			isReply := small("reply", 2) == 1
			if isReply {
				h.Type, h.Command, h.TimeoutMS, h.Status = bolt.TypeResponse, bolt.CommandResponse, 0, uint16(small("status", 2)*7)
			}
			convert := func(c *Converter, h codec.Head, to codec.Protocol) (codec.Head, string) {
				if isReply {
					got, body, r := c.Reply(h, to, asked)
					return got, fmt.Sprint(said(got), body, r)
				}
				got, r := c.Request(h, to)
				return got, fmt.Sprint(said(got), r)
			}
			there, got := convert(&c, arrived(h), codec.HTTP2)
			_, want := convert(new(Converter), h, codec.HTTP2)
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("to HTTP/2 (-alone +remembered):\n%s", d)
			}
			if there.(*http2.Head).Frozen() {
				found++
			}
			// The other sidecar gets the same head as often.
			key := said(there)
			if frozen[key] == nil {
				frozen[key] = there.(*http2.Head).Freeze()
			}
			_, got = convert(&c, frozen[key], codec.Bolt)
			_, want = convert(new(Converter), there, codec.Bolt)
			if d := cmp.Diff(want, got); d != "" {
				t.Fatalf("to Bolt (-alone +remembered):\n%s", d)
			}
		}
		if found == 0 {
			t.Fatal("no head was remembered")
		}
	})
}

// TestMemoIsBounded converts more heads than it holds, over and over.
func TestMemoIsBounded(t *testing.T) {
	var c Converter
	frozen := fields("protocol: 1", "cmdtype: 1", "cmdcode: 1")
	for i := range 3 * memoPatience {
		h := arrived(request(boltMap(kv("service", fmt.Sprint(i%200)))))
		head, _ := c.Request(h, codec.HTTP2)
		if string(head.(*http2.Head).Fields[9].Value) != fmt.Sprint(i%200) {
			t.Fatalf("service %d became %q", i%200, dump(head.(*http2.Head)))
		}
		if _, r := c.Request(frozen.Freeze(), codec.Bolt); r != codec.ReasonNone {
			t.Fatal(r)
		}
		if len(c.memo.fromBolt) > memoHeads || len(c.memo.fromHTTP2) > memoHeads {
			t.Fatalf("%d and %d conversions are kept", len(c.memo.fromBolt), len(c.memo.fromHTTP2))
		}
	}
}

// A frozen head that is passed on without one of its fields is another head.
func TestChangedHeadIsNotFrozen(t *testing.T) {
	var c Converter
	in := fields("a: b", BoltHeader+": service").Freeze()
	out, _ := c.Request(in, codec.HTTP2)
	if h := out.(*http2.Head); h.Frozen() || h.Copy(new(codec.Arena)) == codec.Head(h) {
		t.Error("a scratch head is taken for one that never changes")
	}
	if !in.Frozen() || in.Copy(new(codec.Arena)) != codec.Head(in) {
		t.Error("a frozen head is not kept as it is")
	}
}

// One head goes to many hosts, each under its own authority.
func TestAuthorities(t *testing.T) {
	var c Converter
	frozen := fields("a: b").Freeze()
	for range 3 {
		for i := range 40 {
			authority := fmt.Sprintf("10.0.0.%d:80", i)
			for _, h := range []*http2.Head{frozen, fields("a: b")} {
				got := c.WithAuthority(h, []byte(authority)).(*http2.Head)
				if string(got.AuthorityName) != authority || len(h.AuthorityName) != 0 || string(got.Fields[0].Name) != "a" {
					t.Fatalf("%s: %s", authority, said(got))
				}
			}
		}
	}
}

func BenchmarkRequestToHTTP2(b *testing.B) {
	plain := request(boltMap(kv("service", "com.x.Y:1.0"), kv("rpc_trace_context.sofaTraceId", "0a")))
	for name, h := range map[string]*bolt.Head{"new": plain, "known": arrived(plain)} {
		b.Run(name, func(b *testing.B) {
			var c Converter
			b.ReportAllocs()
			for b.Loop() {
				c.Request(h, codec.HTTP2)
			}
		})
	}
}

func BenchmarkRequestToBolt(b *testing.B) {
	var there Converter
	h, _ := there.Request(request(boltMap(kv("service", "com.x.Y:1.0"), kv("rpc_trace_context.sofaTraceId", "0a"))), codec.HTTP2)
	plain := h.(*http2.Head)
	for name, h := range map[string]*http2.Head{"new": plain, "known": plain.Freeze()} {
		b.Run(name, func(b *testing.B) {
			var c Converter
			b.ReportAllocs()
			for b.Loop() {
				c.Request(h, codec.Bolt)
			}
		})
	}
}
