// SPDX-License-Identifier: Apache-2.0

package http2

import "testing"

func TestHeldBytesThatDoNotMove(t *testing.T) {
	const (
		tiny    = "> SETTINGS INITIAL_WINDOW_SIZE=3\n< SETTINGS ack\n"
		request = "> HEADERS 1 GET end\n= 1 headers GET h/ end\n. 1 head 200\n< HEADERS 1 :status=200\n"
	)
	runScripts(t, []script{
		{name: "finished reply is reset when next to nothing moved between two looks", text: tiny + request + `
			. 1 data abcdefgh end
			< DATA 1 abc
			. ticks 5m
			. tick 5m
			. hold 5
			. ticks 5m
			> WINDOW_UPDATE 1 1
			< DATA 1 d
			. tick 5m
			< RST_STREAM 1 CANCEL
			= glitch stalled_stream
			. hold 0
			. active 0`},
		{name: "unfinished reply is reset, and its holder told", text: tiny + request + `
			. 1 data abcdefgh
			< DATA 1 abc
			. tick 5m
			. hold 5
			. tick 5m
			< RST_STREAM 1 CANCEL
			= glitch stalled_stream
			= 1 reset idle_timeout
			. hold 0`},
		{name: "reply that moves on is left alone", text: tiny + request + `
			. 1 data x*4000 end
			< DATA 1 xxx
			. tick 5m
			> WINDOW_UPDATE 1 1024
			< DATA 1 x*1024
			. tick 5m
			> WINDOW_UPDATE 1 1024
			< DATA 1 x*1024
			. tick 5m
			. active 1`},
		{name: "reply held only now and then is left alone", text: tiny + request + `
			. 1 data abcd
			< DATA 1 abc
			. tick 5m
			> WINDOW_UPDATE 1 1
			< DATA 1 d
			= 1 writable
			. 1 data e
			. tick 5m
			. active 1
			. hold 1`},
		{name: "reply cut off from its request is reset too", text: tiny + `
			> HEADERS 1 POST
			= 1 headers POST h/
			. 1 head 413 body=abcdef end
			< HEADERS 1 :status=413
			< DATA 1 abc
			. 1 reset
			. tick 5m
			. tick 5m
			< RST_STREAM 1 CANCEL
			= glitch stalled_stream
			. active 0`},
		{name: "evicted", text: tiny + request + `
			. 1 data abcdefgh
			< DATA 1 abc
			. evict 1
			< RST_STREAM 1 ENHANCE_YOUR_CALM
			= glitch held_too_much
			= 1 reset overflow
			. hold 0
			. active 0`},
		{name: "evicted after its end", text: tiny + request + `
			. 1 data abcdefgh end
			< DATA 1 abc
			. evict 1
			< RST_STREAM 1 ENHANCE_YOUR_CALM
			= glitch held_too_much
			. hold 0
			. active 0`},
	})
}

func TestRequestWhoseReplyIsComplete(t *testing.T) {
	const tiny = "> SETTINGS INITIAL_WINDOW_SIZE=3\n< SETTINGS ack\n"
	runScripts(t, []script{
		{name: "its held rest is given up", client: true, text: tiny + `
			. open
			. 1 head POST
			< HEADERS 1 :method=POST :scheme=http :path=/
			. 1 data abcdef end
			< DATA 1 abc
			> HEADERS 1 :status=200 end
			= 1 headers 200 end
			< RST_STREAM 1 CANCEL
			. hold 0
			. active 0`},
		{name: "the same with a body", client: true, text: tiny + `
			. open
			. 1 head POST
			< HEADERS 1 :method=POST :scheme=http :path=/
			. 1 data abcdef end
			< DATA 1 abc
			> HEADERS 1 :status=200
			= 1 headers 200
			> DATA 1 x end
			= 1 data x end
			< RST_STREAM 1 CANCEL
			. hold 0
			. active 0
			> WINDOW_UPDATE 1 100
			> RST_STREAM 1 NO_ERROR`},
	})
}
