// SPDX-License-Identifier: Apache-2.0

package http2

import "testing"

func connecting(l *Limits) { l.Connect = true }

const connectHello = `
	< SETTINGS MAX_CONCURRENT_STREAMS=1024 ENABLE_CONNECT_PROTOCOL=1 MAX_HEADER_LIST_SIZE=65536
	< WINDOW_UPDATE 0 983041
	> PREFACE
	> SETTINGS
	< SETTINGS ack
	> SETTINGS ack
	`

// The line of an extended CONNECT, and of a plain one.
const (
	chatLine  = ":method=CONNECT :protocol=websocket :scheme=http :path=/chat :authority=h"
	plainLine = ":method=CONNECT :authority=h:1"
)

// TestTunnelServer: the directions of a tunnel end apart, and what HTTP/2 does
// not allow in it is refused (RFC 9113, 8.5).
func TestTunnelServer(t *testing.T) {
	scripts := []script{
		{name: "the client ends first", text: `
			> HEADERS 1 ` + chatLine + `
			= 1 headers CONNECT h/chat
			. 1 head 200
			< HEADERS 1 :status=200
			> DATA 1 ping
			= 1 data ping
			. 1 data pong
			< DATA 1 pong
			> DATA 1 end
			= 1 data end
			. 1 data more
			< DATA 1 more
			. active 1
			. 1 data last end
			< DATA 1 last end
			. active 0`},
		{name: "the holder ends first", text: `
			> HEADERS 1 ` + plainLine + `
			= 1 headers CONNECT h:1
			. 1 head 200 end
			< HEADERS 1 :status=200 end
			> DATA 1 ping
			= 1 data ping
			. active 1
			> DATA 1 pong end
			= 1 data pong end
			. active 0`},
		{name: "plain tunnel breaks", text: `
			> HEADERS 1 ` + plainLine + `
			= 1 headers CONNECT h:1
			. 1 head 200
			< HEADERS 1 :status=200
			. 1 reset upstream_reset
			< RST_STREAM 1 CONNECT_ERROR`},
		{name: "extended tunnel breaks", text: `
			> HEADERS 1 ` + chatLine + `
			= 1 headers CONNECT h/chat
			. 1 head 200
			< HEADERS 1 :status=200
			. 1 reset upstream_reset
			< RST_STREAM 1 CANCEL`},
		{name: "refused", text: `
			> HEADERS 1 ` + plainLine + `
			= 1 headers CONNECT h:1
			. 1 head 501 body=no
			< HEADERS 1 :status=501
			< DATA 1 no
			. 1 reset upstream_reset
			< RST_STREAM 1 INTERNAL_ERROR`},
		{name: "refused with its request open", text: `
			> HEADERS 1 ` + plainLine + `
			= 1 headers CONNECT h:1
			. 1 head 501 end
			< HEADERS 1 :status=501 end
			. 1 reset
			. tick 500ms
			. tick 500ms
			< RST_STREAM 1 NO_ERROR`},
		{name: "HEADERS in a tunnel", text: `
			> HEADERS 1 ` + plainLine + `
			= 1 headers CONNECT h:1
			. 1 head 200
			< HEADERS 1 :status=200
			> HEADERS 1 end a=b
			< RST_STREAM 1 PROTOCOL_ERROR
			= glitch tunnel_headers
			= 1 reset protocol_error`},
		{name: "content-length means nothing", text: `
			> HEADERS 1 ` + plainLine + ` content-length=3
			= 1 headers CONNECT h:1
			> DATA 1 ping
			= 1 data ping`},
		{name: "host like :authority of an extended CONNECT", text: `
			> HEADERS 1 ` + chatLine + ` host=h
			= 1 headers CONNECT h/chat host=h`},
	}
	for _, x := range []struct{ name, fields, word string }{
		{":protocol of GET", ":method=GET :scheme=http :path=/ :authority=h :protocol=websocket", "protocol"},
		{"empty :protocol", ":method=CONNECT :protocol= :scheme=http :path=/ :authority=h", "protocol"},
		{":protocol that is no token", `:method=CONNECT :protocol=a\sb :scheme=http :path=/ :authority=h`, "protocol"},
		{"two :protocol", chatLine + " :protocol=websocket", "pseudo_field"},
		{"extended CONNECT without :scheme", ":method=CONNECT :protocol=websocket :path=/ :authority=h", "scheme"},
		{"extended CONNECT without :path", ":method=CONNECT :protocol=websocket :scheme=http :authority=h", "path"},
		{"plain CONNECT with :scheme", plainLine + " :scheme=http", "connect"},
	} {
		scripts = append(scripts, script{name: x.name, text: `
			> HEADERS 1 ` + x.fields + `
			< RST_STREAM 1 PROTOCOL_ERROR
			= glitch ` + x.word})
	}
	for i := range scripts {
		scripts[i].raw, scripts[i].limits = true, connecting
		scripts[i].text = connectHello + scripts[i].text
	}
	runScripts(t, scripts)
}

// TestTunnelClient: an extended CONNECT is sent once the server has said that it
// takes them, and fails if it does not (RFC 8441, 3).
func TestTunnelClient(t *testing.T) {
	const hello = "< PREFACE\n< SETTINGS ENABLE_PUSH=0 MAX_HEADER_LIST_SIZE=65536\n< WINDOW_UPDATE 0 983041\n"
	const sent = ":method=CONNECT :scheme=http :authority=h :path=/chat :protocol=websocket"
	const call = "head CONNECT :authority=h :protocol=websocket /chat"
	runScripts(t, []script{
		{name: "before the server's SETTINGS", client: true, raw: true, text: hello + `
			. open
			. 1 ` + call + `
			. 1 blocked yes
			> SETTINGS ENABLE_CONNECT_PROTOCOL=1
			< SETTINGS ack
			< HEADERS 1 ` + sent + `
			= 1 writable
			. hold 0
			. 1 data ping
			< DATA 1 ping
			> HEADERS 1 :status=200
			= 1 headers 200`},
		{name: "what follows is held", client: true, raw: true, text: hello + `
			. open
			. 1 ` + call + ` body=ab
			. 1 data cd
			. 1 data ef end
			> SETTINGS ENABLE_CONNECT_PROTOCOL=1
			< SETTINGS ack
			< HEADERS 1 ` + sent + `
			< DATA 1 abcdef end
			= 1 writable
			. hold 0
			> HEADERS 1 :status=200 end
			= 1 headers 200 end
			. active 0`},
		{name: "another stream goes first", client: true, raw: true, text: hello + `
			. open
			. 1 ` + call + `
			. open
			. 3 head GET / end
			< HEADERS 3 :method=GET :scheme=http :path=/ end
			. active 2
			> SETTINGS ENABLE_CONNECT_PROTOCOL=1
			< SETTINGS ack
			< HEADERS 5 ` + sent + `
			= 1 writable
			> HEADERS 3 end :status=204
			= 3 headers 204 end
			> HEADERS 5 :status=200
			= 1 headers 200
			> DATA 5 pong end
			= 1 data pong end
			. 1 data end
			< DATA 5 end
			. active 0
			. open
			. 7 head GET / end
			< HEADERS 7 :method=GET :scheme=http :path=/ end`},
		{name: "with no window but the connection's", client: true, raw: true, text: hello + `
			. open
			. 1 ` + call + ` body=ab
			> SETTINGS ENABLE_CONNECT_PROTOCOL=1 INITIAL_WINDOW_SIZE=0
			< SETTINGS ack
			< HEADERS 1 ` + sent + `
			> WINDOW_UPDATE 1 2
			< DATA 1 ab
			= 1 writable`},
		{name: "the server takes none", client: true, raw: true, text: hello + `
			. open
			. 1 ` + call + ` body=ab
			. open
			. 3 head GET / end
			< HEADERS 3 :method=GET :scheme=http :path=/ end
			> SETTINGS
			< SETTINGS ack
			= 1 reset tunnel_unsupported
			. hold 0
			. active 1`},
		{name: "the server takes none, as is known", client: true, text: `
			. open
			. 1 ` + call + `
			. ticks 1ms
			. tick 1ms
			= 1 reset tunnel_unsupported
			. active 0`},
		{name: "the server says it just in time", client: true, text: `
			. open
			. 1 ` + call + `
			> SETTINGS ENABLE_CONNECT_PROTOCOL=1
			< SETTINGS ack
			. tick 1ms
			< HEADERS 1 ` + sent + `
			= 1 writable`},
		{name: "given up while it waits", client: true, raw: true, text: hello + `
			. open
			. 1 ` + call + ` body=ab
			. 1 reset downstream_reset
			. hold 0
			> SETTINGS ENABLE_CONNECT_PROTOCOL=1
			< SETTINGS ack`},
		{name: "evicted while it waits", client: true, raw: true, text: hello + `
			. open
			. 1 ` + call + ` body=ab
			. evict 1
			= glitch held_too_much
			= 1 reset overflow
			. hold 0`},
		{name: "connection lost while it waits", client: true, raw: true, text: hello + `
			. open
			. 1 ` + call + `
			. close
			= 1 reset upstream_closed
			. hold 0`},
		{name: "plain CONNECT needs no announcement", client: true, raw: true, text: hello + `
			. open
			. 1 head CONNECT :authority=h:1
			< HEADERS 1 :method=CONNECT :authority=h:1`},
		{name: "the server breaks it", client: true, text: `
			. open
			. 1 head CONNECT :authority=h:1
			< HEADERS 1 :method=CONNECT :authority=h:1
			> HEADERS 1 :status=200
			= 1 headers 200
			> DATA 1 x end
			= 1 data x end
			. 1 data y
			< DATA 1 y
			> RST_STREAM 1 CANCEL
			= 1 reset upstream_reset`},
	})
}

// TestResetCodes: to a server every reason of ours is a cancellation, whosever
// mistake it was.
func TestResetCodes(t *testing.T) {
	var scripts []script
	for _, reason := range []string{"protocol_error", "downstream_reset", "overflow", "upstream_timeout", "draining"} {
		scripts = append(scripts, script{name: reason, client: true, text: `
			. open
			. 1 head GET / end
			< HEADERS 1 :method=GET :scheme=http :path=/ end
			. 1 reset ` + reason + `
			< RST_STREAM 1 CANCEL`})
	}
	runScripts(t, scripts)
}
