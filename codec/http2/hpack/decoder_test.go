// SPDX-License-Identifier: Apache-2.0

package hpack

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Limits that no block in these tests reaches by itself.
const (
	plentySize   = 1 << 20
	plentyFields = 1 << 16
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// texts writes fields as "name: value", sensitive ones with a leading "!".
func texts(fields []Field) []string {
	list := []string{}
	for _, f := range fields {
		s := fmt.Sprintf("%s: %s", f.Name, f.Value)
		if f.Sensitive {
			s = "!" + s
		}
		list = append(list, s)
	}
	return list
}

func decodeHex(t *testing.T, d *Decoder, block string, want ...string) {
	t.Helper()
	fields, err := d.Decode(nil, unhex(t, block), plentySize, plentyFields)
	if err != nil {
		t.Fatalf("block %s: %v", block, err)
	}
	if got := texts(fields); !slices.Equal(got, want) {
		t.Fatalf("block %s:\n got %q\nwant %q", block, got, want)
	}
}

// The examples of RFC 7541, appendix C.2: one representation each.
func TestDecodeRepresentations(t *testing.T) {
	d := NewDecoder(4096)
	decodeHex(t, d, "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key: custom-header")
	if d.table.size != 55 {
		t.Fatalf("table size %d, want 55", d.table.size)
	}
	d = NewDecoder(4096)
	decodeHex(t, d, "040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path")
	decodeHex(t, d, "1008 7061 7373 776f 7264 0673 6563 7265 74", "!password: secret")
	decodeHex(t, d, "82", ":method: GET")
	if d.table.size != 0 || d.table.bytes != nil {
		t.Fatal("the table was used for fields that are not indexed")
	}
}

// The examples of RFC 7541, appendix C.3 to C.6: three messages of one
// connection, plain and in Huffman code.
func TestDecodeExchanges(t *testing.T) {
	requests := [3][]string{
		{":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"},
		{":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"},
		{":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com", "custom-key: custom-value"},
	}
	const date = "date: Mon, 21 Oct 2013 20:13:21 GMT"
	responses := [3][]string{
		{":status: 302", "cache-control: private", date, "location: https://www.example.com"},
		{":status: 307", "cache-control: private", date, "location: https://www.example.com"},
		{":status: 200", "cache-control: private", "date: Mon, 21 Oct 2013 20:13:22 GMT", "location: https://www.example.com", "content-encoding: gzip", "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"},
	}
	for _, c := range []struct {
		name      string
		tableSize int
		blocks    [3]string
		want      [3][]string
		sizes     [3]int
	}{
		{"C.3 requests", 4096, [3]string{
			"8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
			"8286 84be 5808 6e6f 2d63 6163 6865",
			"8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
		}, requests, [3]int{57, 110, 164}},
		{"C.4 requests, Huffman", 4096, [3]string{
			"8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
			"8286 84be 5886 a8eb 1064 9cbf",
			"8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
		}, requests, [3]int{57, 110, 164}},
		{"C.5 responses", 256, [3]string{
			"4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
			"4803 3330 37c1 c0bf",
			"88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
		}, responses, [3]int{222, 222, 215}},
		{"C.6 responses, Huffman", 256, [3]string{
			"4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
			"4883 640e ffc1 c0bf",
			"88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
		}, responses, [3]int{222, 222, 215}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(c.tableSize)
			for i, block := range c.blocks {
				decodeHex(t, d, block, c.want[i]...)
				if d.table.size != c.sizes[i] {
					t.Fatalf("table size %d after message %d, want %d", d.table.size, i+1, c.sizes[i])
				}
			}
		})
	}
}

// Every prefix of a valid block either ends between two fields or is truncated.
func TestDecodeTruncated(t *testing.T) {
	block := unhex(t, "82 400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572 4188 25a8 49e9 5ba9 7d7f 0f 81 01 0161")
	ends := map[int]bool{0: true, 1: true, 27: true, 37: true, len(block): true}
	// The last field names index 144; insert enough small entries before.
	fill := bytes.Repeat(unhex(t, "40 0161 0162"), 90)
	for n := range len(block) + 1 {
		d := NewDecoder(4096)
		if _, err := d.Decode(nil, fill, plentySize, plentyFields); err != nil {
			t.Fatal(err)
		}
		fields, err := d.Decode(nil, block[:n], plentySize, plentyFields)
		switch {
		case ends[n] && err != nil:
			t.Errorf("prefix of %d bytes: %v", n, err)
		case !ends[n] && !errors.Is(err, ErrTruncated):
			t.Errorf("prefix of %d bytes: %v, %q", n, err, texts(fields))
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, c := range []struct {
		name, block string
		want        error
	}{
		{"index 0", "80", ErrIndex},
		{"index after an empty dynamic table", "be", ErrIndex},
		{"index after one entry", "40 0161 0162 bf", ErrIndex},
		{"name index after one entry", "40 0161 0162 7f00 0162", ErrIndex},
		{"index 2^28", "ff 81ff ff7f", ErrIndex},
		{"index of five bytes", "ff 8080 8080 00", ErrIntegerOverflow},
		{"index of 2^64", "ff ffff ffff ffff ffff ff01", ErrIntegerOverflow},
		{"name length of five bytes", "40 7f ffff ffff 0f", ErrIntegerOverflow},
		{"length beyond the block", "40 0161 7f ffff ff7f 61", ErrTruncated},
		{"name only", "40 0161", ErrTruncated},
		{"end of string", "40 0161 84 ffff fffc", ErrHuffman},
		{"padding of 8 bits", "40 0161 82 1fff", ErrHuffman},
		{"padding of zeros", "40 0161 81 18", ErrHuffman},
		{"padding only", "40 0161 81 ff", ErrHuffman},
		{"update after a field", "82 20", ErrTableSize},
		{"update over the announced size", "3f e2 1f", ErrTableSize},
		{"update of five bytes", "3f 8080 8080 00", ErrIntegerOverflow},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept := []Field{{Name: []byte("kept")}}
			got, err := NewDecoder(4096).Decode(kept, unhex(t, c.block), plentySize, plentyFields)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if len(got) != 1 || string(got[0].Name) != "kept" {
				t.Fatalf("dst changed to %q", texts(got))
			}
		})
	}
}

// Legal encodings that are not the shortest.
func TestDecodeTolerates(t *testing.T) {
	for _, c := range []struct{ name, block, want string }{
		{"index with zero bytes", "ff 8080 8000 40 0161 0162", ""},
		{"empty name and value", "00 00 00", ": "},
		{"empty Huffman value", "40 0161 80", "a: "},
		{"longer Huffman than plain", "40 0161 83 ffff ea", "a: \t"},
		{"updates at the start", "20 3f e1 1f 40 0161 0162", "a: b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(4096)
			if c.want == "" {
				// Index 127 needs 66 entries.
				fill := bytes.Repeat(unhex(t, "40 0161 0162"), 66)
				if _, err := d.Decode(nil, fill, plentySize, plentyFields); err != nil {
					t.Fatal(err)
				}
				decodeHex(t, d, c.block, "a: b", "a: b")
				return
			}
			decodeHex(t, d, c.block, c.want)
		})
	}
}

func TestDecodeTableSize(t *testing.T) {
	const insert = "40 0161 0162" // 34 bytes of the table
	t.Run("an update evicts", func(t *testing.T) {
		d := NewDecoder(4096)
		decodeHex(t, d, insert+insert+"be bf", "a: b", "a: b", "a: b", "a: b")
		decodeHex(t, d, "3f 04 be", "a: b") // 35 bytes
		if _, err := d.Decode(nil, unhex(t, "bf"), plentySize, plentyFields); !errors.Is(err, ErrIndex) {
			t.Fatalf("evicted entry: %v", err)
		}
	})
	t.Run("size 0 gives the memory back", func(t *testing.T) {
		d := NewDecoder(4096)
		decodeHex(t, d, insert, "a: b")
		decodeHex(t, d, "20 82", ":method: GET")
		if d.table.bytes != nil || d.table.entries != nil {
			t.Fatal("memory of an empty table kept")
		}
		decodeHex(t, d, insert, "a: b") // goes through without entering
		decodeHex(t, d, "3f e1 1f"+insert+"be", "a: b", "a: b")
	})
	t.Run("an entry larger than the table empties it", func(t *testing.T) {
		d := NewDecoder(40)
		decodeHex(t, d, insert+"be", "a: b", "a: b")
		decodeHex(t, d, "40 0161 0a 3031 3233 3435 3637 3839", "a: 0123456789")
		if d.table.count != 0 || d.table.size != 0 {
			t.Fatalf("%d entries left", d.table.count)
		}
	})
	t.Run("lowered without an update", func(t *testing.T) {
		d := NewDecoder(4096)
		decodeHex(t, d, insert+insert, "a: b", "a: b")
		d.SetMaxTableSize(68)
		decodeHex(t, d, "bf", "a: b")
		d.SetMaxTableSize(67)
		if _, err := d.Decode(nil, unhex(t, "be"), plentySize, plentyFields); !errors.Is(err, ErrTableSize) {
			t.Fatalf("missing update: %v", err)
		}
	})
	t.Run("lowered with an update", func(t *testing.T) {
		d := NewDecoder(4096)
		decodeHex(t, d, insert+insert, "a: b", "a: b")
		d.SetMaxTableSize(67)
		decodeHex(t, d, "3f 24 be", "a: b")
	})
	t.Run("raised", func(t *testing.T) {
		d := NewDecoder(34)
		d.SetMaxTableSize(68)
		decodeHex(t, d, "3f 25"+insert+insert+"bf", "a: b", "a: b", "a: b")
	})
}

// The name of a literal may be that of the entry that it evicts (RFC 7541,
// 4.4), and views of entries outlive their eviction until the next block.
func TestDecodeViewsSurviveEviction(t *testing.T) {
	d := NewDecoder(100)
	value := func(c byte) string { return strings.Repeat(string(c), 60) }
	var block []byte
	block = append(append(block, 0x40, 1, 'n', 60), value('a')...)
	var want []string
	want = append(want, "n: "+value('a'))
	for c := byte('b'); c <= 'z'; c++ {
		block = append(block, 0xbe)                            // the only entry
		block = append(append(block, 0x7e, 60), value(c)...)   // evicts it, with its name
		want = append(want, want[len(want)-1], "n: "+value(c)) // in this order
	}
	fields, err := d.Decode(nil, block, plentySize, plentyFields)
	if err != nil {
		t.Fatal(err)
	}
	if got := texts(fields); !slices.Equal(got, want) {
		t.Fatalf("got %q", got)
	}
	// A growing table moves its bytes while views of them are out.
	d = NewDecoder(4096)
	block, want = block[:0], want[:0]
	for i := range 120 {
		entry := fmt.Sprintf("k%03d", i)
		block = append(append(block, 0x40, 4), entry...)
		block = append(append(block, 4), entry...)
		block = append(block, 0xbe)
		want = append(want, entry+": "+entry, entry+": "+entry)
	}
	if fields, err = d.Decode(nil, block, plentySize, plentyFields); err != nil {
		t.Fatal(err)
	}
	if got := texts(fields); !slices.Equal(got, want) {
		t.Fatalf("got %q", got)
	}
}

// Views cannot be appended to over what lies behind them.
func TestDecodeViewsAreClipped(t *testing.T) {
	d := NewDecoder(4096)
	block := unhex(t, "82 be 400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf")
	if _, err := d.Decode(nil, block[2:], plentySize, plentyFields); err != nil {
		t.Fatal(err)
	}
	fields, err := d.Decode(nil, block, plentySize, plentyFields)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		if cap(f.Name) != len(f.Name) || cap(f.Value) != len(f.Value) {
			t.Errorf("%s: %s has capacity to spare", f.Name, f.Value)
		}
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	const rounds = 1000
	e, d := NewEncoder(), NewDecoder(4096)
	var blocks [][]byte
	for i := range rounds {
		// Two fields that change and enter the table, as a peer without a
		// policy would send them.
		block := append(requestBlock(e), 0x40, 2, 'i', 'd', 6)
		block = fmt.Appendf(block, "%06d", i)
		block = append(block, 0x40, 2, 'a', 't', 40)
		block = fmt.Appendf(block, "%040d", i)
		blocks = append(blocks, block)
	}
	fields := make([]Field, 0, 64)
	decode := func() {
		for _, b := range blocks {
			var err error
			if fields, err = d.Decode(fields[:0], b, 64<<10, 256); err != nil {
				t.Fatal(err)
			}
		}
	}
	decode()
	if n := testing.AllocsPerRun(3, decode); n != 0 {
		t.Fatalf("%v allocations in %d blocks", n, rounds)
	}
}

// requestBlock encodes a request as e's connection would carry it.
func requestBlock(e *Encoder) []byte {
	var b []byte
	for _, f := range request {
		b = e.AppendField(b, f.Name, f.Value, f.Sensitive)
	}
	return b
}

var request = []Field{
	{Name: []byte(":method"), Value: []byte("POST")},
	{Name: []byte(":scheme"), Value: []byte("http")},
	{Name: []byte(":path"), Value: []byte("/com.example.Echo/Say")},
	{Name: []byte(":authority"), Value: []byte("echo.example.com:8080")},
	{Name: []byte("content-type"), Value: []byte("application/grpc+proto")},
	{Name: []byte("te"), Value: []byte("trailers")},
	{Name: []byte("user-agent"), Value: []byte("grpc-go/1.80.0")},
	{Name: []byte("grpc-timeout"), Value: []byte("999873u")},
	{Name: []byte("authorization"), Value: []byte("Bearer 0123456789"), Sensitive: true},
	{Name: []byte("content-length"), Value: []byte("1234")},
}

func BenchmarkDecode(b *testing.B) {
	e, d := NewEncoder(), NewDecoder(4096)
	fields := make([]Field, 0, 64)
	var block []byte
	for range 3 {
		block = requestBlock(e)
		if _, err := d.Decode(fields, block, 64<<10, 256); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		fields, _ = d.Decode(fields[:0], block, 64<<10, 256)
	}
}
