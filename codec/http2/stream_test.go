// SPDX-License-Identifier: Apache-2.0

package http2

import "testing"

func TestExchange(t *testing.T) {
	runScripts(t, []script{
		{name: "request and reply", text: `
			> HEADERS 1 end GET accept=*/*
			= 1 headers GET h/ accept=*/* end
			. active 1
			. 1 head 200 x-a=b
			< HEADERS 1 :status=200 x-a=b
			. 1 data hello
			< DATA 1 hello
			. 1 data bye end
			< DATA 1 bye end
			. active 0`},
		{name: "bodies both ways and trailers", text: `
			> HEADERS 1 POST content-length=8
			= 1 headers POST h/ length 8 content-length=8
			> DATA 1 abcd
			= 1 data abcd
			> DATA 1 efgh
			= 1 data efgh
			> HEADERS 1 end t=1
			= 1 trailers t=1
			. 1 head 200 body=xyz
			< HEADERS 1 :status=200
			< DATA 1 xyz
			. 1 trailers grpc-status=0
			< HEADERS 1 grpc-status=0 end
			. active 0`},
		{name: "trailers without a legal field", text: `
			> HEADERS 1 end GET
			= 1 headers GET h/ end
			. 1 head 200
			< HEADERS 1 :status=200
			. 1 trailers Connection=close
			< DATA 1 end`},
		{name: "body ends with an empty frame", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			> DATA 1 abc
			= 1 data abc
			> DATA 1 end
			= 1 data end
			. 1 head 204 end
			< HEADERS 1 :status=204 end`},
		{name: "interleaved requests", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			> HEADERS 3 POST
			= 3 headers POST h/
			> DATA 3 c
			= 3 data c
			> DATA 1 a end
			= 1 data a end
			> DATA 3 d end
			= 3 data d end
			. active 2
			. 3 head 200 end
			< HEADERS 3 :status=200 end
			. 1 head 200 end
			< HEADERS 1 :status=200 end
			. active 0`},
		{name: "informational replies", text: `
			> HEADERS 1 POST expect=100-continue
			= 1 headers POST h/ expect=100-continue
			. 1 head 100
			< HEADERS 1 :status=100
			. 1 head 103 link=x
			< HEADERS 1 :status=103 link=x
			> DATA 1 a end
			= 1 data a end
			. 1 head 200 end
			< HEADERS 1 :status=200 end`},
		{name: "statuses that HTTP/2 can not say", text: `
			> HEADERS 1 end GET
			= 1 headers GET h/ end
			. 1 head 101 end
			< HEADERS 1 :status=502 end
			> HEADERS 3 end GET
			= 3 headers GET h/ end
			. 3 head 0 end
			< HEADERS 3 :status=502 end`},
		{name: "reply ends before the request", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			. 1 head 413 end
			< HEADERS 1 :status=413 end
			. 1 reset
			. tick 500ms
			. active 1
			. tick 500ms
			< RST_STREAM 1 NO_ERROR
			. active 0
			> DATA 1 late
			> HEADERS 1 end t=late
			> WINDOW_UPDATE 1 5
			> RST_STREAM 1 CANCEL
			> HEADERS 3 end GET
			= 3 headers GET h/ end`},
		{name: "holder resets", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			. 1 reset upstream_timeout
			< RST_STREAM 1 CANCEL
			. 1 data ignored
			. 1 reset upstream_timeout
			> DATA 1 late end
			. active 0`},
		{name: "client resets", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			> RST_STREAM 1 CANCEL
			= 1 reset downstream_reset
			= glitch stream_reset
			. active 0
			. 1 head 200 end`},
		{name: "connection lost", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			> HEADERS 3 end GET
			= 3 headers GET h/ end
			. close
			= 1 reset upstream_closed
			= 3 reset upstream_closed
			. 1 head 200 end
			. active 0`},
		{name: "reply given after the connection failed", text: `
			> HEADERS 1 end GET
			= 1 headers GET h/ end
			> PING 1
			< PING ack 1` + "\x00\x00\x00\x00\x00\x00\x00" + `
			> WINDOW_UPDATE 0 0
			< GOAWAY 1 PROTOCOL_ERROR
			= glitch window_update_zero
			= shut protocol_error
			. 1 head 200
			. 1 data abc
			. 1 trailers a=b
			. active 0
			. close`},
		{name: "unknown frames are ignored", text: `
			> RAW 000003 4d ff 00000001 010203
			> RAW 000000 4d ff 00000000
			> HEADERS 1 end GET
			= 1 headers GET h/ end`},
		{name: "header block in pieces", text: `
			> HEADERS 1 end more GET
			. gather 6
			> CONTINUATION 1 more a=b
			> CONTINUATION 1 more
			> CONTINUATION 1 c=d
			= 1 headers GET h/ a=b c=d end
			. gather 0`},
		{name: "padded frames with priority", text: `
			> HEADERS 1 pad=200 parent=3 POST
			= 1 headers POST h/
			> DATA 1 pad=255 abc
			= 1 data abc
			> DATA 1 pad=0 d
			= 1 data d
			> DATA 1 pad=7 e end
			= 1 data e end
			. 1 head 200 end
			< HEADERS 1 :status=200 end`},
	})
}

func TestClientExchange(t *testing.T) {
	runScripts(t, []script{
		{name: "request and reply", client: true, text: `
			. open
			. 1 head POST /p te=trailers
			< HEADERS 1 :method=POST :scheme=http :path=/p te=trailers
			. 1 data abc end
			< DATA 1 abc end
			. active 1
			> HEADERS 1 :status=103 link=x
			= 1 headers 103 link=x
			> HEADERS 1 :status=200 content-length=5
			= 1 headers 200 length 5 content-length=5
			> DATA 1 hello
			= 1 data hello
			> HEADERS 1 end grpc-status=0
			= 1 trailers grpc-status=0
			. active 0
			. open
			. 3 head GET / end
			< HEADERS 3 :method=GET :scheme=http :path=/ end`},
		{name: "reply before the end of the request", client: true, text: `
			. open
			. 1 head POST /
			< HEADERS 1 :method=POST :scheme=http :path=/
			> HEADERS 1 end :status=413
			= 1 headers 413 end
			> RST_STREAM 1 NO_ERROR
			= 1 reset
			. active 0`},
		{name: "reply before the end of the request, holder gives up first", client: true, text: `
			. open
			. 1 head POST /
			< HEADERS 1 :method=POST :scheme=http :path=/
			> HEADERS 1 end :status=413
			= 1 headers 413 end
			. 1 reset
			< RST_STREAM 1 NO_ERROR
			> RST_STREAM 1 NO_ERROR
			. active 0`},
		{name: "server resets", client: true, text: `
			. open
			. 1 head GET / end
			< HEADERS 1 :method=GET :scheme=http :path=/ end
			. open
			. 3 head GET / end
			< HEADERS 3 :method=GET :scheme=http :path=/ end
			. open
			. 5 head GET / end
			< HEADERS 5 :method=GET :scheme=http :path=/ end
			> RST_STREAM 1 REFUSED_STREAM
			= 1 reset upstream_refused
			> RST_STREAM 3 INTERNAL_ERROR
			= 3 reset upstream_reset
			> RST_STREAM 5 NO_ERROR
			= 5 reset upstream_reset`},
		{name: "holder cancels", client: true, text: `
			. open
			. 1 head GET / end
			< HEADERS 1 :method=GET :scheme=http :path=/ end
			. 1 reset downstream_reset
			< RST_STREAM 1 CANCEL
			> HEADERS 1 :status=200
			> DATA 1 late end
			. active 0`},
		{name: "opened and given up before HEADERS", client: true, text: `
			. open
			. 1 reset downstream_reset
			. open
			. 3 head GET / end
			< HEADERS 3 :method=GET :scheme=http :path=/ end`},
		{name: "HEAD and bodiless replies may state a length", client: true, text: `
			. open
			. 1 head HEAD / end
			< HEADERS 1 :method=HEAD :scheme=http :path=/ end
			> HEADERS 1 end :status=200 content-length=5
			= 1 headers 200 content-length=5 end
			. open
			. 3 head GET / end
			< HEADERS 3 :method=GET :scheme=http :path=/ end
			> HEADERS 3 end :status=304 content-length=5
			= 3 headers 304 content-length=5 end
			. open
			. 5 head HEAD / end
			< HEADERS 5 :method=HEAD :scheme=http :path=/ end
			> HEADERS 5 :status=200 content-length=5
			= 5 headers 200 length 5 content-length=5
			> DATA 5 end
			= 5 data end`},
		{name: "capacity follows the server's setting", raw: true, client: true, text: `
			< PREFACE
			< SETTINGS ENABLE_PUSH=0 MAX_HEADER_LIST_SIZE=65536
			< WINDOW_UPDATE 0 983041
			. capacity 100
			> SETTINGS
			< SETTINGS ack
			. capacity 1024
			> SETTINGS MAX_CONCURRENT_STREAMS=2
			< SETTINGS ack
			. capacity 2
			. open
			. 1 head GET / end
			< HEADERS 1 :method=GET :scheme=http :path=/ end
			. capacity 1
			> SETTINGS MAX_CONCURRENT_STREAMS=0
			< SETTINGS ack
			. capacity 0
			> HEADERS 1 end :status=200
			= 1 headers 200 end`},
		{name: "DATA before HEADERS", client: true, text: `
			. open
			. 1 head GET / end
			< HEADERS 1 :method=GET :scheme=http :path=/ end
			> DATA 1 abc
			< RST_STREAM 1 PROTOCOL_ERROR
			= glitch data_before_headers
			= 1 reset upstream_protocol_error`},
		{name: "connection lost", client: true, text: `
			. open
			. 1 head GET / end
			< HEADERS 1 :method=GET :scheme=http :path=/ end
			. peerclosed
			= shut upstream_closed
			. capacity 0
			. close
			= 1 reset upstream_closed`},
	})
}

// TestStreamStates sends what must not come in each state (RFC 9113, 5.1).
func TestStreamStates(t *testing.T) {
	const request = "> HEADERS 1 POST\n= 1 headers POST h/\n"
	const ended = "> HEADERS 1 end GET\n= 1 headers GET h/ end\n"
	const done = ended + ". 1 head 200 end\n< HEADERS 1 :status=200 end\n"
	const reset = request + "> RST_STREAM 1 CANCEL\n= 1 reset downstream_reset\n= glitch stream_reset\n"
	dead := func(e, word string, last string) string {
		return "< GOAWAY " + last + " " + e + "\n= glitch " + word + "\n= shut protocol_error\n> HEADERS 9 end GET\n"
	}
	runScripts(t, []script{
		{name: "idle DATA", text: "> DATA 1 x\n" + dead("PROTOCOL_ERROR", "data_of_idle", "0")},
		{name: "idle RST_STREAM", text: "> RST_STREAM 1 CANCEL\n" + dead("PROTOCOL_ERROR", "reset_of_idle", "0")},
		{name: "idle WINDOW_UPDATE", text: "> WINDOW_UPDATE 1 1\n" + dead("PROTOCOL_ERROR", "window_update_of_idle", "0")},
		{name: "idle CONTINUATION", text: "> CONTINUATION 1 GET\n" + dead("PROTOCOL_ERROR", "continuation_unexpected", "0")},
		{name: "idle PRIORITY", text: "> PRIORITY 7 3\n" + ended},
		{name: "DATA of the connection", text: "> DATA 0 x\n" + dead("PROTOCOL_ERROR", "data_of_idle", "0")},
		{name: "even id", text: "> HEADERS 2 end GET\n" + dead("PROTOCOL_ERROR", "headers_stream_id", "0")},
		{name: "HEADERS of the connection", text: "> HEADERS 0 end GET\n" + dead("PROTOCOL_ERROR", "stream_id_misplaced", "0")},
		{name: "id goes down", text: "> HEADERS 5 end GET\n= 5 headers GET h/ end\n> HEADERS 3 end GET\n" +
			"< GOAWAY 5 PROTOCOL_ERROR\n= glitch stream_id_decreases\n= shut protocol_error\n"},
		{name: "half closed DATA", text: ended + "> DATA 1 x end\n< RST_STREAM 1 STREAM_CLOSED\n= glitch data_after_end\n= 1 reset protocol_error"},
		{name: "half closed HEADERS", text: ended + "> HEADERS 1 end GET\n< RST_STREAM 1 STREAM_CLOSED\n= glitch headers_after_end\n= 1 reset protocol_error"},
		{name: "half closed CONTINUATION", text: ended + "> CONTINUATION 1 GET\n" + dead("PROTOCOL_ERROR", "continuation_unexpected", "1")},
		{name: "half closed WINDOW_UPDATE", text: ended + "> WINDOW_UPDATE 1 1\n. 1 head 200 end\n< HEADERS 1 :status=200 end"},
		{name: "closed DATA", text: done + "> DATA 1 x end\n" + dead("STREAM_CLOSED", "frame_after_end", "1")},
		{name: "closed HEADERS", text: done + "> HEADERS 1 end GET\n" + dead("STREAM_CLOSED", "frame_after_end", "1")},
		{name: "closed WINDOW_UPDATE, RST_STREAM, PRIORITY", text: done + "> WINDOW_UPDATE 1 1\n> RST_STREAM 1 CANCEL\n> PRIORITY 1 3"},
		{name: "reset by the client, then DATA", text: reset + "> DATA 1 x\n< RST_STREAM 1 STREAM_CLOSED\n= glitch frame_after_reset"},
		{name: "reset by the client, then HEADERS", text: reset + "> HEADERS 1 end GET\n< RST_STREAM 1 STREAM_CLOSED\n= glitch frame_after_reset"},
		{name: "second HEADERS without END_STREAM", text: request + "> HEADERS 1 a=b\n< RST_STREAM 1 PROTOCOL_ERROR\n= glitch headers_without_end\n= 1 reset protocol_error"},
		{name: "PUSH_PROMISE", text: request + "> PUSH_PROMISE 1 GET\n" + dead("PROTOCOL_ERROR", "push_promise", "1")},
		{name: "HEADERS depends on itself", text: "> HEADERS 1 end parent=1 GET\n< RST_STREAM 1 PROTOCOL_ERROR\n= glitch priority_self\n> HEADERS 3 end GET\n= 3 headers GET h/ end"},
		{name: "PRIORITY depends on itself", text: request + "> PRIORITY 1 1\n< RST_STREAM 1 PROTOCOL_ERROR\n= glitch priority_self\n= 1 reset protocol_error"},
		{name: "PRIORITY of idle depends on itself", text: "> PRIORITY 1 1\n" + dead("PROTOCOL_ERROR", "priority_self", "0")},
		{name: "client: server opens a stream", client: true, text: "> HEADERS 2 :status=200\n< GOAWAY 0 PROTOCOL_ERROR\n= glitch headers_stream_id\n= shut upstream_protocol_error"},
		{name: "client: HEADERS of idle", client: true, text: "> HEADERS 1 :status=200\n< GOAWAY 0 PROTOCOL_ERROR\n= glitch headers_stream_id\n= shut upstream_protocol_error"},
		{name: "client: PUSH_PROMISE", client: true, text: ". open\n. 1 head GET / end\n< HEADERS 1 :method=GET :scheme=http :path=/ end\n" +
			"> PUSH_PROMISE 1 GET\n< GOAWAY 0 PROTOCOL_ERROR\n= glitch push_promise\n= shut upstream_protocol_error"},
	})
}

// TestFrameRules sends frames of a wrong size, stream or order (RFC 9113, 4, 6).
func TestFrameRules(t *testing.T) {
	const request = "> HEADERS 1 POST\n= 1 headers POST h/\n"
	dead := func(e, word string, last string) string {
		return "< GOAWAY " + last + " " + e + "\n= glitch " + word + "\n= shut protocol_error"
	}
	runScripts(t, []script{
		{name: "frame over 16,384", text: "> RAW 004001 00 00 00000001\n" + dead("FRAME_SIZE_ERROR", "frame_too_large", "0")},
		{name: "SETTINGS of a stream", text: "> RAW 000000 04 00 00000001\n" + dead("PROTOCOL_ERROR", "stream_id_misplaced", "0")},
		{name: "SETTINGS of five bytes", text: "> RAW 000005 04 00 00000000 0001000000\n" + dead("FRAME_SIZE_ERROR", "settings_size", "0")},
		{name: "SETTINGS ack with payload", text: "> RAW 000006 04 01 00000000 000100000000\n" + dead("FRAME_SIZE_ERROR", "settings_ack_size", "0")},
		{name: "ENABLE_PUSH 2", text: "> SETTINGS ENABLE_PUSH=2\n" + dead("PROTOCOL_ERROR", "settings_enable_push", "0")},
		{name: "INITIAL_WINDOW_SIZE 2^31", text: "> SETTINGS INITIAL_WINDOW_SIZE=2147483648\n" + dead("FLOW_CONTROL_ERROR", "settings_window", "0")},
		{name: "MAX_FRAME_SIZE 16383", text: "> SETTINGS MAX_FRAME_SIZE=16383\n" + dead("PROTOCOL_ERROR", "settings_frame_size", "0")},
		{name: "MAX_FRAME_SIZE 2^24", text: "> SETTINGS MAX_FRAME_SIZE=16777216\n" + dead("PROTOCOL_ERROR", "settings_frame_size", "0")},
		{name: "settings that are fine", text: "> SETTINGS ENABLE_PUSH=1 HEADER_TABLE_SIZE=0 MAX_FRAME_SIZE=16777215 UNKNOWN=7\n< SETTINGS ack\n> HEADERS 1 end GET\n= 1 headers GET h/ end"},
		{name: "client: ENABLE_PUSH 1", client: true, text: "> SETTINGS ENABLE_PUSH=1\n< GOAWAY 0 PROTOCOL_ERROR\n= glitch settings_enable_push\n= shut upstream_protocol_error"},
		{name: "PING", text: "> PING abcdefgh\n< PING ack abcdefgh\n> PING ack abcdefgh"},
		{name: "PING of a stream", text: "> RAW 000008 06 00 00000001 0000000000000000\n" + dead("PROTOCOL_ERROR", "stream_id_misplaced", "0")},
		{name: "PING of seven bytes", text: "> RAW 000007 06 00 00000000 00000000000000\n" + dead("FRAME_SIZE_ERROR", "frame_size", "0")},
		{name: "GOAWAY of a stream", text: "> RAW 000008 07 00 00000001 0000000000000000\n" + dead("PROTOCOL_ERROR", "stream_id_misplaced", "0")},
		{name: "GOAWAY of seven bytes", text: "> RAW 000007 07 00 00000000 00000000000000\n" + dead("FRAME_SIZE_ERROR", "frame_size", "0")},
		{name: "RST_STREAM of the connection", text: "> RAW 000004 03 00 00000000 00000000\n" + dead("PROTOCOL_ERROR", "stream_id_misplaced", "0")},
		{name: "RST_STREAM of three bytes", text: request + "> RAW 000003 03 00 00000001 000000\n" + dead("FRAME_SIZE_ERROR", "frame_size", "1")},
		{name: "WINDOW_UPDATE of three bytes", text: "> RAW 000003 08 00 00000000 000001\n" + dead("FRAME_SIZE_ERROR", "frame_size", "0")},
		{name: "WINDOW_UPDATE 0", text: "> WINDOW_UPDATE 0 0\n" + dead("PROTOCOL_ERROR", "window_update_zero", "0")},
		{name: "WINDOW_UPDATE 0 of a stream", text: request + "> RAW 000004 08 00 00000001 00000000\n< RST_STREAM 1 PROTOCOL_ERROR\n= glitch stream_window_update_zero\n= 1 reset protocol_error"},
		{name: "window over 2^31-1", text: "> WINDOW_UPDATE 0 2147483647\n" + dead("FLOW_CONTROL_ERROR", "window_overflow", "0")},
		{name: "stream window over 2^31-1", text: request + "> WINDOW_UPDATE 1 2147483647\n< RST_STREAM 1 FLOW_CONTROL_ERROR\n= glitch stream_window_overflow\n= 1 reset protocol_error"},
		{name: "SETTINGS takes a stream window over 2^31-1", text: request + "> WINDOW_UPDATE 1 2147418112\n> SETTINGS INITIAL_WINDOW_SIZE=65536\n" + dead("FLOW_CONTROL_ERROR", "settings_window_overflow", "1")},
		{name: "PRIORITY of four bytes", text: request + "> RAW 000004 02 00 00000001 00000000\n< RST_STREAM 1 FRAME_SIZE_ERROR\n= glitch priority_size\n= 1 reset protocol_error"},
		{name: "PRIORITY of four bytes on ended", text: "> HEADERS 1 end GET\n= 1 headers GET h/ end\n. 1 head 200 end\n< HEADERS 1 :status=200 end\n> RAW 000004 02 00 00000001 00000000\n" + dead("FRAME_SIZE_ERROR", "priority_size", "1")},
		{name: "PRIORITY of four bytes on idle", text: "> RAW 000004 02 00 00000001 00000000\n" + dead("FRAME_SIZE_ERROR", "priority_size", "0")},
		{name: "PRIORITY of the connection", text: "> RAW 000005 02 00 00000000 0000000000\n" + dead("PROTOCOL_ERROR", "stream_id_misplaced", "0")},
		{name: "padding as long as DATA", text: request + "> RAW 000003 00 08 00000001 030000\n" + dead("PROTOCOL_ERROR", "data_padding", "1")},
		{name: "padded DATA without pad length", text: request + "> RAW 000000 00 08 00000001\n" + dead("FRAME_SIZE_ERROR", "data_size", "1")},
		{name: "padding as long as HEADERS", text: "> RAW 000003 01 0d 00000001 030000\n" + dead("PROTOCOL_ERROR", "headers_padding", "0")},
		{name: "HEADERS too short for its priority", text: "> RAW 000004 01 25 00000001 00000000\n" + dead("FRAME_SIZE_ERROR", "headers_size", "0")},
		{name: "PING within a header block", text: "> HEADERS 1 more GET\n> PING abcdefgh\n" + dead("PROTOCOL_ERROR", "continuation_missing", "0")},
		{name: "unknown frame within a header block", text: "> HEADERS 1 more GET\n> RAW 000000 4d 00 00000000\n" + dead("PROTOCOL_ERROR", "continuation_missing", "0")},
		{name: "CONTINUATION of another stream", text: "> HEADERS 1 more GET\n> CONTINUATION 3 a=b\n" + dead("PROTOCOL_ERROR", "continuation_missing", "0")},
		{name: "CONTINUATION after END_HEADERS", text: request + "> CONTINUATION 1 a=b\n" + dead("PROTOCOL_ERROR", "continuation_unexpected", "1")},
		{name: "header block that does not decode", text: "> HEADERS 1 end hex=ff80808080808000\n" + dead("COMPRESSION_ERROR", "compression", "0")},
		{name: "header block that ends within a field", text: "> HEADERS 1 end hex=00\n" + dead("COMPRESSION_ERROR", "compression", "0")},
		{name: "header block that takes too long", text: "> HEADERS 1 more GET\n. ticks 10s\n. tick 9s\n. tick 1s\n" +
			"< GOAWAY 0 PROTOCOL_ERROR\n= glitch header_timeout\n= shut idle_timeout\n. gather 0"},
		{name: "header block in time", text: "> HEADERS 1 more GET\n. tick 9s\n> CONTINUATION 1 a=b\n= 1 headers GET h/ a=b\n. tick 9s"},
		{name: "HEADERS frame that takes too long", text: "> RAW 000010 01 05 00000001 828684\n. tick 10s\n" +
			"< GOAWAY 0 PROTOCOL_ERROR\n= glitch header_timeout\n= shut idle_timeout\n. gather 0"},
	})
}
