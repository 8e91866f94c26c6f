// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"fmt"
	"strings"
	"testing"
)

// What comes of a request after its reply is complete.
func TestLinger(t *testing.T) {
	const answered = `
		> HEADERS 1 POST content-length=4
		= 1 headers POST h/ length 4 content-length=4
		. 1 head 413 end
		< HEADERS 1 :status=413 end
		. 1 reset
		. active 1
		`
	runScripts(t, []script{
		{name: "it ends", text: answered + `
			> DATA 1 ab
			> DATA 1 cd end
			. active 0
			. tick 1s
			> HEADERS 3 end GET
			= 3 headers GET h/ end`},
		{name: "it ends with trailers", text: answered + `
			> DATA 1 abcd
			> HEADERS 1 end t=x
			. active 0`},
		{name: "frames behind its end", text: answered + `
			> DATA 1 abcd end
			> DATA 1 more
			< GOAWAY 1 STREAM_CLOSED
			= glitch frame_after_end
			= shut protocol_error`},
		{name: "the client resets it", text: answered + `
			> RST_STREAM 1 CANCEL
			= glitch stream_reset
			. active 0
			> DATA 1 more
			< RST_STREAM 1 STREAM_CLOSED
			= glitch frame_after_reset`},
		{name: "it breaks its length", text: answered + `
			> DATA 1 abcde
			< RST_STREAM 1 PROTOCOL_ERROR
			= glitch content_length_mismatch
			. active 0`},
		{name: "trailers without an end", text: answered + `
			> HEADERS 1 t=x
			< RST_STREAM 1 PROTOCOL_ERROR
			= glitch headers_without_end`},
		{name: "the connection fails", text: answered + `
			. close
			. active 0`},
	})
}

// A client that goes on sending is told to stop when half a window has come.
func TestLingerOfALongRequest(t *testing.T) {
	const chunk = 11 << 10
	data := "> DATA 1 " + strings.Repeat("x", chunk) + "\n"
	half := initialWindow / 2 / chunk
	runScripts(t, []script{{name: "long", text: fmt.Sprintf(`
		> HEADERS 1 POST
		= 1 headers POST h/
		. 1 head 413 end
		< HEADERS 1 :status=413 end
		. 1 reset
		%s
		. active 1
		%s
		< RST_STREAM 1 NO_ERROR
		. active 0
		%s`, strings.Repeat(data, half), data, data)}})
}
