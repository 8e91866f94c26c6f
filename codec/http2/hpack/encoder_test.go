// SPDX-License-Identifier: Apache-2.0

package hpack

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	xhpack "golang.org/x/net/http2/hpack"
)

// encode appends fields written as "name: value" to a block, sensitive ones
// with a leading "!".
func encode(e *Encoder, fields ...string) []byte {
	var b []byte
	for _, f := range fields {
		text, sensitive := strings.CutPrefix(f, "!")
		name, value, _ := strings.Cut(text, ": ")
		b = e.AppendField(b, []byte(name), []byte(value), sensitive)
	}
	return b
}

func wantBlock(t *testing.T, got []byte, want string) {
	t.Helper()
	if want = strings.ReplaceAll(want, " ", ""); hex.EncodeToString(got) != want {
		t.Fatalf("block %x, want %s", got, want)
	}
}

// The static table is the reference's: it decodes every index to our entry,
// and the encoder finds each entry.
func TestEncodeStatic(t *testing.T) {
	for i := 1; i <= staticCount; i++ {
		fields, err := xhpack.NewDecoder(4096, nil).DecodeFull([]byte{0x80 | byte(i)})
		if err != nil {
			t.Fatal(err)
		}
		f := staticFields[i]
		if fields[0].Name != string(f.Name) || fields[0].Value != string(f.Value) {
			t.Errorf("entry %d is %s: %s, want %s: %s", i, f.Name, f.Value, fields[0].Name, fields[0].Value)
		}
		if got := NewEncoder().AppendField(nil, f.Name, f.Value, false); !volatileNames[i] {
			wantBlock(t, got, fmt.Sprintf("%x", 0x80|i))
		}
	}
}

// A field enters the table when it comes for the second time and is one byte
// from then on.
func TestEncodeIndexing(t *testing.T) {
	e := NewEncoder()
	wantBlock(t, encode(e, "custom-key: custom-header"), "00 8825 a849 e95b a97d 7f 89 25a8 49e9 5a72 8e42 d9")
	wantBlock(t, encode(e, "custom-key: custom-header"), "40 8825 a849 e95b a97d 7f 89 25a8 49e9 5a72 8e42 d9")
	wantBlock(t, encode(e, "custom-key: custom-header"), "be")
	// Another value of a name that is in the table refers to the name.
	wantBlock(t, encode(e, "custom-key: ~"), "0f2f 01 7e")
	wantBlock(t, encode(e, "custom-key: ~"), "7e 01 7e")
	wantBlock(t, encode(e, "custom-key: ~", "custom-key: custom-header"), "be bf")
	// A name of the static table is preferred.
	wantBlock(t, encode(e, ":path: /~", ":path: /~", ":path: /~"), "04 02 2f7e 44 02 2f7e be")
}

func TestEncodeNeverIndexes(t *testing.T) {
	e := NewEncoder()
	for range 3 {
		wantBlock(t, encode(e, "!authorization: ~"), "1f08 01 7e")
		wantBlock(t, encode(e, "!~: ~"), "10 01 7e 01 7e")
		wantBlock(t, encode(e, "!:method: GET"), "12 03 474554")
		wantBlock(t, encode(e, "content-length: 7"), "0f0d 01 37")
		encode(e, "large: "+strings.Repeat("x", encoderTableSize/2))
	}
	for i := range 1000 {
		encode(e, fmt.Sprintf("id: %d", i))
	}
	if e.table.bytes != nil {
		t.Fatalf("%d bytes indexed", e.table.size)
	}
	// A sensitive field may refer to a name in the table.
	encode(e, "~: a", "~: a")
	wantBlock(t, encode(e, "!~: ~"), "1f2f 01 7e")
}

// An encoder remembers the last recentCount fields that it sent for the first
// time, whatever came before.
func TestEncodeRemembersRecent(t *testing.T) {
	field := func(i int) string { return fmt.Sprintf(":path: /%03d", i) }
	for _, c := range []struct {
		back int
		repr byte
	}{{1, reprIndexing}, {recentCount, reprIndexing}, {recentCount + 1, reprPlain}} {
		e := NewEncoder()
		for i := range 200 {
			encode(e, field(i))
		}
		if b := encode(e, field(200-c.back)); b[0]&0xf0 != c.repr {
			t.Errorf("a field sent %d fields ago: %x", c.back, b)
		}
	}
}

func TestEncodeStatus(t *testing.T) {
	e := NewEncoder()
	for status, want := range map[int]string{
		200: "88", 204: "89", 206: "8a", 304: "8b", 400: "8c", 404: "8d", 500: "8e",
	} {
		wantBlock(t, e.AppendStatus(nil, status), want)
	}
	wantBlock(t, e.AppendStatus(nil, 302), "08 82 6402")
	wantBlock(t, e.AppendStatus(nil, 302), "48 82 6402")
	wantBlock(t, e.AppendStatus(nil, 302), "be")
	e.SetPeerTableSize(0)
	wantBlock(t, e.AppendStatus(nil, 200), "20 88")
}

func TestEncodeSizeUpdates(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []uint32
		want  string
	}{
		{"as before", []uint32{4096}, "82"},
		{"above our cap", []uint32{math.MaxUint32}, "82"},
		{"lowered", []uint32{100}, "3f45 82"},
		{"lowered twice", []uint32{100, 50}, "3f13 82"},
		{"lowered, then raised", []uint32{50, 100}, "3f13 3f45 82"},
		{"lowered to nothing, then above our cap", []uint32{0, 1 << 20}, "20 3fe1 1f 82"},
		{"lowered twice, then raised", []uint32{100, 50, 80}, "3f13 3f31 82"},
		{"lowered, raised, lowered", []uint32{50, 100, 70}, "3f13 3f27 82"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := NewEncoder()
			for _, n := range c.sizes {
				e.SetPeerTableSize(n)
			}
			wantBlock(t, encode(e, ":method: GET"), c.want)
			wantBlock(t, encode(e, ":method: GET"), "82")
		})
	}
	// Raising alone takes one update.
	e := NewEncoder()
	e.SetPeerTableSize(50)
	encode(e, ":method: GET")
	e.SetPeerTableSize(80)
	e.SetPeerTableSize(70)
	wantBlock(t, encode(e, ":method: GET"), "3f27 82")
}

// A peer that offers 4 GiB and is sent ten thousand distinct fields twice does
// not make us hold more than our cap.
func TestEncodeTableIsCapped(t *testing.T) {
	e, d := NewEncoder(), NewDecoder(4096)
	e.SetPeerTableSize(math.MaxUint32)
	for i := range 10_000 {
		field := fmt.Sprintf("name-%d: %s", i, strings.Repeat("v", i%300))
		decodeHex(t, d, hex.EncodeToString(encode(e, field, field)), field, field)
		if e.table.size > encoderTableSize {
			t.Fatalf("table of %d bytes", e.table.size)
		}
	}
	if n := cap(e.table.bytes); n > 2*encoderTableSize {
		t.Fatalf("%d bytes for a table of %d", n, encoderTableSize)
	}
	if n := len(e.table.entries); n > encoderTableSize/overhead {
		t.Fatalf("%d entries for a table of %d bytes", n, encoderTableSize)
	}
}

// The numbers of entries wrap around after 2^32 insertions.
func TestEncodeNumbersWrap(t *testing.T) {
	e, d := NewEncoder(), NewDecoder(4096)
	e.table.next, d.table.next = math.MaxUint32-20, math.MaxUint32-20
	for i := range 200 {
		var want []string
		for j := range 5 {
			want = append(want, fmt.Sprintf("name-%d: %d", j, i/3))
		}
		decodeHex(t, d, hex.EncodeToString(encode(e, want...)), want...)
	}
	if e.table.next > 1000 {
		t.Fatal("the numbers did not wrap")
	}
}

func TestEncodeAllocatesNothing(t *testing.T) {
	e := NewEncoder()
	changing := [][]byte{}
	for i := range 500 {
		changing = append(changing, fmt.Appendf(nil, "value-%040d", i))
	}
	dst := make([]byte, 0, 4096)
	name := []byte("changing")
	encodeAll := func() {
		for i := range 1000 {
			dst = e.AppendStatus(dst[:0], 200+i%100)
			for _, f := range request {
				dst = e.AppendField(dst, f.Name, f.Value, f.Sensitive)
			}
			// Sent twice, it enters the table and pushes others out.
			dst = e.AppendField(dst, name, changing[i/2%len(changing)], false)
		}
	}
	encodeAll()
	if n := testing.AllocsPerRun(3, encodeAll); n != 0 {
		t.Fatalf("%v allocations in 1000 blocks", n)
	}
}

// An idle connection's encoder and decoder hold what an ordinary peer's fields
// need.
func TestMemoryOfOrdinaryConnection(t *testing.T) {
	e, d := NewEncoder(), NewDecoder(4096)
	for range 10 {
		if _, err := d.Decode(nil, requestBlock(e), plentySize, plentyFields); err != nil {
			t.Fatal(err)
		}
	}
	encoder := cap(e.table.bytes) + 12*cap(e.table.entries) + 12*cap(e.names.links) + 4*cap(e.names.buckets) + 4*cap(e.recent)
	decoder := cap(d.table.bytes) + 12*cap(d.table.entries) + cap(d.scratch)
	if encoder > 1024 || decoder > 1024 {
		t.Fatalf("encoder holds %d bytes, decoder %d", encoder, decoder)
	}
}

// What the reference decodes is what was encoded, over table changes.
func TestEncodeForReference(t *testing.T) {
	e := NewEncoder()
	var got []string
	d := xhpack.NewDecoder(4096, func(f xhpack.HeaderField) {
		got = append(got, texts([]Field{{[]byte(f.Name), []byte(f.Value), f.Sensitive}})...)
	})
	for i := range 300 {
		if i%20 == 0 {
			e.SetPeerTableSize(uint32(i%7) * 100)
		}
		var want []string
		for j := range 20 {
			want = append(want, fmt.Sprintf("name-%d: %d", i*j%13, i*j%7), fmt.Sprintf(":path: /%d", i*j%3), fmt.Sprintf("!secret-%d: 1", j%2))
		}
		got = nil
		if _, err := d.Write(encode(e, want...)); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("block %d:\n got %q\nwant %q", i, got, want)
		}
	}
}

func TestAppendKeepsWhatIsThere(t *testing.T) {
	e := NewEncoder()
	b := e.AppendField([]byte("kept"), []byte(":method"), []byte("GET"), false)
	if !bytes.Equal(b, []byte("kept\x82")) {
		t.Fatalf("%q", b)
	}
}

func BenchmarkEncode(b *testing.B) {
	e := NewEncoder()
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		dst = dst[:0]
		for _, f := range request {
			dst = e.AppendField(dst, f.Name, f.Value, f.Sensitive)
		}
	}
}
