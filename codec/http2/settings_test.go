// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"testing"
)

// TestSettingsWithinStreams: the peer may change its settings at any time.
func TestSettingsWithinStreams(t *testing.T) {
	const request = "> HEADERS 1 end GET\n= 1 headers GET h/ end\n. 1 head 200 a=b\n< HEADERS 1 :status=200 a=b\n"
	runScripts(t, []script{
		{name: "header table to 0 and back", text: `
			> HEADERS 1 end GET
			= 1 headers GET h/ end
			. 1 head 200 a=b c=d end
			< HEADERS 1 :status=200 a=b c=d end
			> HEADERS 3 end GET
			= 3 headers GET h/ end
			. 3 head 200 a=b c=d end
			< HEADERS 3 :status=200 a=b c=d end
			> SETTINGS HEADER_TABLE_SIZE=0
			< SETTINGS ack
			> SETTINGS HEADER_TABLE_SIZE=4096
			< SETTINGS ack
			> HEADERS 5 end GET
			= 5 headers GET h/ end
			. 5 head 200 a=b c=d end
			< HEADERS 5 :status=200 a=b c=d end
			> SETTINGS HEADER_TABLE_SIZE=0
			< SETTINGS ack
			> HEADERS 7 end GET
			= 7 headers GET h/ end
			. 7 head 200 a=b c=d end
			< HEADERS 7 :status=200 a=b c=d end`},
		{name: "larger frames are allowed, not used", text: `
			> SETTINGS MAX_FRAME_SIZE=65536 INITIAL_WINDOW_SIZE=100000
			< SETTINGS ack
			` + request + `
			. 1 data x*20000 end
			< DATA 1 x*16384
			< DATA 1 x*3616 end`},
		{name: "window below what was sent, then above", text: request + `
			. 1 data x*16000
			< DATA 1 x*16000
			> SETTINGS INITIAL_WINDOW_SIZE=1000
			< SETTINGS ack
			. 1 data y*10000
			. hold 10000
			> WINDOW_UPDATE 1 15000
			> WINDOW_UPDATE 1 3
			< DATA 1 yyy
			. hold 9997
			> SETTINGS INITIAL_WINDOW_SIZE=16000
			< SETTINGS ack
			< DATA 1 y*9997
			= 1 writable
			. hold 0`},
		{name: "fewer streams than are open", client: true, text: `
			. open
			. 1 head GET / end
			< HEADERS 1 :method=GET :scheme=http :path=/ end
			. open
			. 3 head GET / end
			< HEADERS 3 :method=GET :scheme=http :path=/ end
			. open
			. 5 head GET / end
			< HEADERS 5 :method=GET :scheme=http :path=/ end
			> SETTINGS MAX_CONCURRENT_STREAMS=2
			< SETTINGS ack
			. capacity 0
			. active 3
			> HEADERS 1 end :status=200
			= 1 headers 200 end
			. capacity 0
			> HEADERS 5 end :status=200
			= 5 headers 200 end
			. capacity 1
			> SETTINGS MAX_CONCURRENT_STREAMS=0
			< SETTINGS ack
			. capacity 0
			> HEADERS 3 end :status=200
			= 3 headers 200 end
			. capacity 0
			> SETTINGS MAX_CONCURRENT_STREAMS=3
			< SETTINGS ack
			. capacity 3`},
		{name: "PING and SETTINGS are answered while a reply waits", text: `
			> SETTINGS INITIAL_WINDOW_SIZE=3
			< SETTINGS ack
			> HEADERS 1 end GET
			= 1 headers GET h/ end
			. 1 head 200 body=abcdef
			< HEADERS 1 :status=200
			< DATA 1 abc
			> PING abcdefgh
			< PING ack abcdefgh
			. block
			. 1 data gh
			> PING ijklmnop
			< PING ack ijklmnop
			> SETTINGS
			< SETTINGS ack
			> WINDOW_UPDATE 1 9
			. writable
			< DATA 1 defgh
			= 1 writable`},
		{name: "PING is answered within a large body", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			> DATA 1 x*16000
			= 1 data x*16000
			> PING abcdefgh
			< PING ack abcdefgh
			> DATA 1 x*16000
			= 1 data x*16000`},
	})
}

// TestTableSizeIsFollowed: the next header block begins with the smallest size
// that the peer has set since the last, and the present one (RFC 7541, 4.2).
func TestTableSizeIsFollowed(t *testing.T) {
	p := newPlayer(t, script{})
	p.send("PREFACE")
	p.send("SETTINGS")
	p.feed()
	for i, tt := range []struct {
		settings []string
		begins   []byte
	}{
		{[]string{"HEADER_TABLE_SIZE=0"}, []byte{0x20, 0x88}},
		{[]string{"HEADER_TABLE_SIZE=4096"}, []byte{0x3f, 0xe1, 0x1f, 0x88}},
		{[]string{"HEADER_TABLE_SIZE=0", "HEADER_TABLE_SIZE=100"}, []byte{0x20, 0x3f, 0x45, 0x88}},
		{nil, []byte{0x88}},
		// More than we want to hold is not used.
		{[]string{"HEADER_TABLE_SIZE=4294967295"}, []byte{0x3f, 0xe1, 0x1f, 0x88}},
	} {
		for _, s := range tt.settings {
			p.send("SETTINGS " + s)
		}
		id := uint32(2*i + 1)
		p.sendHeaders(id, []string{"end", "GET"})
		p.feed()
		p.sink.out = nil
		p.holders[int(id)].stream.SendHeaders(&Head{Status: 200}, nil, true)
		if block := p.sink.out[headSize:]; !bytes.Equal(block, tt.begins) {
			t.Errorf("after %v the block is %x; want %x", tt.settings, block, tt.begins)
		}
	}
}
