// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"strings"
	"testing"
)

// What a client has open when a server breaks a rule: the stream 1, which the
// rule is about, and the stream 3, which is to survive stream errors.
const (
	opened3 = "\n. open\n. 3 head GET / end\n< HEADERS 3 :method=GET :scheme=http :path=/ end\n"
	// asked has sent its request to the end.
	asked = ". open\n. 1 head GET / end\n< HEADERS 1 :method=GET :scheme=http :path=/ end" + opened3
	// asking has not.
	asking = ". open\n. 1 head POST /\n< HEADERS 1 :method=POST :scheme=http :path=/" + opened3
	// headed asks for a head only.
	headed = ". open\n. 1 head HEAD / end\n< HEADERS 1 :method=HEAD :scheme=http :path=/ end" + opened3
	// answering has got the head of its reply.
	answering = asked + "> HEADERS 1 :status=200\n= 1 headers 200\n"
	// answered has got all of it.
	answered = asked + "> HEADERS 1 end :status=200\n= 1 headers 200 end\n"
	// early has got all of it before the end of its request.
	early = asking + "> HEADERS 1 end :status=200\n= 1 headers 200 end\n"
	// tunnelled is a CONNECT that was accepted.
	tunnelled = ". open\n. 1 head CONNECT :authority=h:1\n< HEADERS 1 :method=CONNECT :authority=h:1" + opened3 +
		"> HEADERS 1 :status=200\n= 1 headers 200\n"
	// served is how the stream 3 proves that the connection goes on.
	served = "> HEADERS 3 end :status=200\n= 3 headers 200 end\n"
)

// serverRule is one thing that a server must not do, or may.
type serverRule struct {
	section, name string
	state         string
	text          string
	// code is that of the error, empty where nothing happens.
	code string
	// word is the glitch.
	word string
	// fatal errors are the connection's.
	fatal bool
}

func fatal(section, name, state, text, code, word string) serverRule {
	return serverRule{section, name, state, text, code, word, true}
}

func mild(section, name, state, text, code, word string) serverRule {
	return serverRule{section, name, state, text, code, word, false}
}

func fine(section, name, state, text string) serverRule {
	return serverRule{section: section, name: name, state: state, text: text}
}

func (r serverRule) script() script {
	text := r.state + r.text + "\n"
	switch {
	case r.code == "":
		text += served
	case r.fatal:
		text += "< GOAWAY 0 " + r.code + "\n= glitch " + r.word + "\n= shut upstream_protocol_error\n. capacity 0\n> HEADERS 3 end :status=200\n"
	default:
		text += "< RST_STREAM 1 " + r.code + "\n= glitch " + r.word + "\n= 1 reset upstream_protocol_error\n" + served
	}
	return script{name: r.section + " " + r.name, client: true, text: text}
}

const (
	protocolError = "PROTOCOL_ERROR"
	sizeError     = "FRAME_SIZE_ERROR"
	flowError     = "FLOW_CONTROL_ERROR"
	codingError   = "COMPRESSION_ERROR"
	closedError   = "STREAM_CLOSED"
)

// TestServerFrameRules is RFC 9113, 4 to 6, from the client's side.
func TestServerFrameRules(t *testing.T) {
	rules := []serverRule{
		fine("4.1", "reserved bit of an id", asked, "> RAW 000001 01 05 80000001 88\n= 1 headers 200 end"),
		fine("4.1", "undefined flags", asked, "> RAW 000001 01 d7 00000001 88\n= 1 headers 200 end"),
		fine("4.1", "unknown type of the connection", asked, "> RAW 000003 0a ff 00000000 010203"),
		fine("4.1", "unknown type of an idle stream", asked, "> RAW 000000 f0 ff 00000063"),
		fatal("4.2", "DATA over 16,384", answering, "> RAW 004001 00 00 00000001", sizeError, "frame_too_large"),
		fatal("4.2", "unknown type over 16,384", asked, "> RAW 004001 f0 00 00000000", sizeError, "frame_too_large"),
		fatal("4.3", "Huffman code that is none", asked, "> HEADERS 1 hex=0084ffffffff00", codingError, "compression"),
		fatal("4.3", "block that ends within a field", asked, "> HEADERS 1 hex=00", codingError, "compression"),
		fatal("4.3", "index 0", asked, "> HEADERS 1 hex=80", codingError, "compression"),
		fatal("4.3", "index beyond the table", asked, "> HEADERS 1 hex=be", codingError, "compression"),
		fatal("4.3", "table larger than allowed", asked, "> HEADERS 1 hex=3fe21f88", codingError, "compression"),
		fatal("4.3", "table size behind a field", asked, "> HEADERS 1 hex=8820", codingError, "compression"),
		fine("4.3", "table of 0 and of 4,096 again", asked, "> HEADERS 1 end hex=203fe11f88\n= 1 headers 200 end"),
		fatal("4.3", "a block for a stream that is gone does not decode", answered, "> HEADERS 1 hex=80", codingError, "compression"),

		fatal("5.1", "DATA of an idle stream", asked, "> DATA 5 x", protocolError, "data_of_idle"),
		fatal("5.1", "HEADERS of an idle stream", asked, "> HEADERS 5 :status=200", protocolError, "headers_stream_id"),
		fatal("5.1", "RST_STREAM of an idle stream", asked, "> RST_STREAM 5 CANCEL", protocolError, "reset_of_idle"),
		fatal("5.1", "WINDOW_UPDATE of an idle stream", asked, "> WINDOW_UPDATE 5 1", protocolError, "window_update_of_idle"),
		fine("5.1", "PRIORITY of an idle stream", asked, "> PRIORITY 5 3"),
		mild("5.1", "DATA after END_STREAM", early, "> DATA 1 x", closedError, "data_after_end"),
		mild("5.1", "HEADERS after END_STREAM", early, "> HEADERS 1 end a=b", closedError, "headers_after_end"),
		fine("5.1", "WINDOW_UPDATE after END_STREAM", early, "> WINDOW_UPDATE 1 1"),
		fatal("5.1", "DATA of a closed stream", answered, "> DATA 1 x", closedError, "frame_after_end"),
		fatal("5.1", "HEADERS of a closed stream", answered, "> HEADERS 1 end a=b", closedError, "frame_after_end"),
		fine("5.1", "WINDOW_UPDATE, RST_STREAM and PRIORITY of a closed stream", answered, "> WINDOW_UPDATE 1 1\n> RST_STREAM 1 CANCEL\n> PRIORITY 1 3"),
		fine("5.1", "anything of a stream that we have reset", asked+". 1 reset downstream_reset\n< RST_STREAM 1 CANCEL\n",
			"> HEADERS 1 :status=200\n> DATA 1 x\n> WINDOW_UPDATE 1 1\n> HEADERS 1 end a=b\n> RST_STREAM 1 CANCEL"),
		fine("5.1", "DATA behind its own RST_STREAM", asked+"> RST_STREAM 1 CANCEL\n= 1 reset upstream_reset\n",
			"> DATA 1 x\n< RST_STREAM 1 STREAM_CLOSED\n= glitch frame_after_reset"),
		fatal("5.1.1", "HEADERS of an even id", asked, "> HEADERS 2 :status=200", protocolError, "headers_stream_id"),
		fatal("5.1.1", "DATA of an even id", asked, "> DATA 2 x", protocolError, "data_of_idle"),
		fatal("5.1.1", "RST_STREAM of an even id", asked, "> RST_STREAM 2 CANCEL", protocolError, "reset_of_idle"),
		fatal("5.1.1", "WINDOW_UPDATE of an even id", asked, "> WINDOW_UPDATE 2 1", protocolError, "window_update_of_idle"),
		fatal("5.5", "unknown type within a header block", asked, "> HEADERS 1 more :status=200\n> RAW 000000 f0 00 00000001", protocolError, "continuation_missing"),

		fatal("6.1", "DATA of the connection", asked, "> DATA 0 x", protocolError, "data_of_idle"),
		fatal("6.1", "padding as long as DATA", answering, "> RAW 000003 00 08 00000001 030000", protocolError, "data_padding"),
		fatal("6.1", "padded DATA without pad length", answering, "> RAW 000000 00 08 00000001", sizeError, "data_size"),
		fine("6.1", "nothing but padding", answering, "> DATA 1 pad=255\n> DATA 1 pad=0 x\n= 1 data x"),
		fatal("6.2", "HEADERS of the connection", asked, "> HEADERS 0 :status=200", protocolError, "stream_id_misplaced"),
		fatal("6.2", "padding as long as HEADERS", asked, "> RAW 000002 01 0c 00000001 0288", protocolError, "headers_padding"),
		fatal("6.2", "HEADERS too short for their priority", asked, "> RAW 000004 01 24 00000001 00000000", sizeError, "headers_size"),
		fine("6.2", "padding and priority", asked, "> HEADERS 1 pad=9 parent=3 :status=200 end\n= 1 headers 200 end"),
		fatal("6.3", "PRIORITY of the connection", asked, "> RAW 000005 02 00 00000000 0000000000", protocolError, "stream_id_misplaced"),
		mild("6.3", "PRIORITY of four bytes", asked, "> RAW 000004 02 00 00000001 00000000", sizeError, "priority_size"),
		fatal("6.4", "RST_STREAM of the connection", asked, "> RAW 000004 03 00 00000000 00000000", protocolError, "stream_id_misplaced"),
		fatal("6.4", "RST_STREAM of three bytes", asked, "> RAW 000003 03 00 00000001 000000", sizeError, "frame_size"),
		fine("6.4", "RST_STREAM with an unknown code", asked, "> RAW 000004 03 00 00000001 deadbeef\n= 1 reset upstream_reset"),
		fatal("6.5", "SETTINGS of a stream", asked, "> RAW 000000 04 00 00000001", protocolError, "stream_id_misplaced"),
		fatal("6.5", "SETTINGS of five bytes", asked, "> RAW 000005 04 00 00000000 0001000000", sizeError, "settings_size"),
		fatal("6.5", "acknowledgement with payload", asked, "> RAW 000006 04 01 00000000 000100000000", sizeError, "settings_ack_size"),
		fatal("6.5.2", "ENABLE_PUSH 1", asked, "> SETTINGS ENABLE_PUSH=1", protocolError, "settings_enable_push"),
		fatal("6.5.2", "ENABLE_PUSH 2", asked, "> SETTINGS ENABLE_PUSH=2", protocolError, "settings_enable_push"),
		fatal("6.5.2", "INITIAL_WINDOW_SIZE 2^31", asked, "> SETTINGS INITIAL_WINDOW_SIZE=2147483648", flowError, "settings_window"),
		fatal("6.5.2", "MAX_FRAME_SIZE 16,383", asked, "> SETTINGS MAX_FRAME_SIZE=16383", protocolError, "settings_frame_size"),
		fatal("6.5.2", "MAX_FRAME_SIZE 2^24", asked, "> SETTINGS MAX_FRAME_SIZE=16777216", protocolError, "settings_frame_size"),
		fatal("6.5.2", "ENABLE_CONNECT_PROTOCOL 2", asked, "> SETTINGS ENABLE_CONNECT_PROTOCOL=2", protocolError, "settings_connect_protocol"),
		fatal("6.5.2", "ENABLE_CONNECT_PROTOCOL taken back", asked, "> SETTINGS ENABLE_CONNECT_PROTOCOL=1 ENABLE_CONNECT_PROTOCOL=0", protocolError, "settings_connect_protocol"),
		fine("6.5.2", "settings that are fine", asked, "> SETTINGS ENABLE_PUSH=0 MAX_FRAME_SIZE=16777215 ENABLE_CONNECT_PROTOCOL=0 UNKNOWN=7\n< SETTINGS ack"),
		fine("6.5.3", "acknowledgement too many", asked, "> SETTINGS ack"),
		fatal("6.6", "PUSH_PROMISE", asked, "> PUSH_PROMISE 1 GET", protocolError, "push_promise"),
		fatal("6.6", "PUSH_PROMISE of a closed stream", answered, "> PUSH_PROMISE 1 GET", protocolError, "push_promise"),
		fatal("6.6", "PUSH_PROMISE of the connection", asked, "> RAW 000005 05 04 00000000 0000000288", protocolError, "stream_id_misplaced"),
		fatal("6.7", "PING of a stream", asked, "> RAW 000008 06 00 00000001 0000000000000000", protocolError, "stream_id_misplaced"),
		fatal("6.7", "PING of seven bytes", asked, "> RAW 000007 06 00 00000000 00000000000000", sizeError, "frame_size"),
		fatal("6.7", "PING of nine bytes", asked, "> RAW 000009 06 00 00000000 000000000000000000", sizeError, "frame_size"),
		fine("6.7", "answer to no PING", asked, "> PING ack abcdefgh"),
		fatal("6.8", "GOAWAY of a stream", asked, "> RAW 000008 07 00 00000001 0000000000000000", protocolError, "stream_id_misplaced"),
		fatal("6.8", "GOAWAY of seven bytes", asked, "> RAW 000007 07 00 00000000 00000000000000", sizeError, "frame_size"),
		fatal("6.8", "GOAWAY whose last id grows", asked, "> GOAWAY 3 NO_ERROR\n> GOAWAY 5 NO_ERROR", protocolError, "goaway_last_grows"),
		fatal("6.9", "WINDOW_UPDATE 0 of the connection", asked, "> WINDOW_UPDATE 0 0", protocolError, "window_update_zero"),
		mild("6.9", "WINDOW_UPDATE 0 of a stream", asked, "> RAW 000004 08 00 00000001 80000000", protocolError, "stream_window_update_zero"),
		fatal("6.9", "WINDOW_UPDATE of three bytes", asked, "> RAW 000003 08 00 00000000 000001", sizeError, "frame_size"),
		fatal("6.9", "WINDOW_UPDATE of five bytes", asked, "> RAW 000005 08 00 00000001 0000000001", sizeError, "frame_size"),
		fatal("6.9.1", "window of the connection over 2^31-1", asked, "> WINDOW_UPDATE 0 2147483647", flowError, "window_overflow"),
		mild("6.9.1", "window of a stream over 2^31-1", asked, "> WINDOW_UPDATE 1 2147483647", flowError, "stream_window_overflow"),
		fatal("6.9.2", "SETTINGS take a window over 2^31-1", asked, "> WINDOW_UPDATE 1 2147418112\n> SETTINGS INITIAL_WINDOW_SIZE=65536", flowError, "settings_window_overflow"),
		mild("6.9.1", "more DATA than the stream's window", answering+strings.Repeat("> DATA 1 x*16000\n= 1 data x*16000\n", 4), "> DATA 1 x*1536", flowError, "stream_window_exceeded"),
		fatal("6.10", "CONTINUATION after END_HEADERS", answering, "> CONTINUATION 1 a=b", protocolError, "continuation_unexpected"),
		fatal("6.10", "CONTINUATION of another stream", asked, "> HEADERS 1 more :status=200\n> CONTINUATION 3 a=b", protocolError, "continuation_missing"),
		fatal("6.10", "HEADERS within a header block", asked, "> HEADERS 1 more :status=200\n> HEADERS 3 :status=200", protocolError, "continuation_missing"),
		fatal("6.10", "PING within a header block", asked, "> HEADERS 1 more :status=200\n> PING abcdefgh", protocolError, "continuation_missing"),
		fatal("6.10", "CONTINUATION of the connection", asked, "> CONTINUATION 0 a=b", protocolError, "continuation_unexpected"),
		fine("6.10", "a block in pieces", asked, "> HEADERS 1 end more :status=200\n> CONTINUATION 1 more\n> CONTINUATION 1 a=b\n= 1 headers 200 a=b end"),
	}
	scripts := make([]script, len(rules))
	for i, r := range rules {
		scripts[i] = r.script()
	}
	runScripts(t, append(scripts, script{name: "6.8 GOAWAY twice, and with debug data", client: true, text: asked +
		"> GOAWAY 3 NO_ERROR\n> RAW 00000b 07 00 00000000 00000003 00000000 616263\n> HEADERS 1 end :status=200\n= 1 headers 200 end\n" +
		". capacity 0\n> PING abcdefgh\n< PING ack abcdefgh\n" + served + "= shut\n< GOAWAY 0 NO_ERROR"}))
}

// TestServerMessageRules is RFC 9113, 8, from the client's side. All errors are
// the stream's.
func TestServerMessageRules(t *testing.T) {
	malformed := func(section, name, state, text, word string) serverRule {
		return mild(section, name, state, text, protocolError, word)
	}
	rules := []serverRule{
		malformed("8.1", "DATA before HEADERS", asked, "> DATA 1 x", "data_before_headers"),
		malformed("8.1", "DATA behind 1xx", asked, "> HEADERS 1 :status=103\n= 1 headers 103\n> DATA 1 x", "data_before_headers"),
		malformed("8.1", "1xx ends the stream", asked, "> HEADERS 1 end :status=103", "informational_end"),
		malformed("8.1", "1xx behind the reply", answering, "> HEADERS 1 :status=103", "headers_without_end"),
		malformed("8.1", "second reply", answering, "> HEADERS 1 :status=200", "headers_without_end"),
		malformed("8.1", "trailers without END_STREAM", answering, "> HEADERS 1 a=b", "headers_without_end"),
		malformed("8.1", "trailers with :status", answering, "> HEADERS 1 end :status=200", "pseudo_field_misplaced"),
		malformed("8.1", "trailers with an upper case name", answering, "> HEADERS 1 end A=b", "field_name"),
		malformed("8.1", "trailers with connection", answering, "> HEADERS 1 end connection=close", "connection_field"),
		malformed("8.1", "seventeen 1xx", asked, strings.Repeat("> HEADERS 1 :status=103\n= 1 headers 103\n", defaultInformational)+"> HEADERS 1 :status=103", "informational_flood"),
		fine("8.1", "1xx, reply, trailers", asked, "> HEADERS 1 :status=100\n= 1 headers 100\n> HEADERS 1 :status=103 link=x\n= 1 headers 103 link=x\n"+
			"> HEADERS 1 :status=200\n= 1 headers 200\n> DATA 1 abc\n= 1 data abc\n> HEADERS 1 end a=b\n= 1 trailers a=b"),
		fine("8.1", "RST_STREAM NO_ERROR behind a whole reply", early, "> RST_STREAM 1 NO_ERROR\n= 1 reset"),
		fine("8.1", "RST_STREAM NO_ERROR within a reply", answering, "> RST_STREAM 1 NO_ERROR\n= 1 reset upstream_reset"),
		fine("8.7", "REFUSED_STREAM before a reply", asked, "> RST_STREAM 1 REFUSED_STREAM\n= 1 reset upstream_refused"),
		fine("8.7", "REFUSED_STREAM within a reply", answering, "> RST_STREAM 1 REFUSED_STREAM\n= 1 reset upstream_reset"),

		malformed("8.1.1", "DATA over the length", asked+"> HEADERS 1 :status=200 content-length=2\n= 1 headers 200 length 2 content-length=2\n", "> DATA 1 abc", "content_length_mismatch"),
		malformed("8.1.1", "DATA under the length", asked+"> HEADERS 1 :status=200 content-length=2\n= 1 headers 200 length 2 content-length=2\n", "> DATA 1 a end", "content_length_mismatch"),
		malformed("8.1.1", "empty DATA under the length", asked+"> HEADERS 1 :status=200 content-length=2\n= 1 headers 200 length 2 content-length=2\n", "> DATA 1 end", "content_length_mismatch"),
		malformed("8.1.1", "trailers under the length", asked+"> HEADERS 1 :status=200 content-length=2\n= 1 headers 200 length 2 content-length=2\n", "> HEADERS 1 end a=b", "content_length_mismatch"),
		malformed("8.1.1", "nothing under the length", asked, "> HEADERS 1 end :status=200 content-length=2", "content_length_mismatch"),
		malformed("8.1.1", "length that is no number", asked, "> HEADERS 1 :status=200 content-length=-2", "content_length"),
		malformed("8.1.1", "two lengths", asked, "> HEADERS 1 :status=200 content-length=2 content-length=3", "content_length"),
		malformed("8.1.1", "content of a reply to HEAD", headed+"> HEADERS 1 :status=200 content-length=2\n= 1 headers 200 length 2 content-length=2\n", "> DATA 1 ab", "content_length_mismatch"),
		malformed("8.1.1", "content of 204", asked+"> HEADERS 1 :status=204\n= 1 headers 204\n", "> DATA 1 x", "content_length_mismatch"),
		malformed("8.1.1", "content of 304", asked+"> HEADERS 1 :status=304 content-length=1\n= 1 headers 304 length 1 content-length=1\n", "> DATA 1 x", "content_length_mismatch"),
		fine("8.1.1", "304 with a length and without content", asked, "> HEADERS 1 end :status=304 content-length=9\n= 1 headers 304 content-length=9 end"),

		malformed("8.2.1", "upper case name", asked, "> HEADERS 1 :status=200 A=b", "field_name"),
		malformed("8.2.1", "empty name", asked, "> HEADERS 1 :status=200 =b", "field_name"),
		malformed("8.2.1", "space in a name", asked, `> HEADERS 1 :status=200 a\sb=c`, "field_name"),
		malformed("8.2.1", "colon in a name", asked, "> HEADERS 1 :status=200 a:b=c", "field_name"),
		malformed("8.2.1", "CR in a value", asked, `> HEADERS 1 :status=200 a=b\rc`, "field_value"),
		malformed("8.2.1", "LF in a value", asked, `> HEADERS 1 :status=200 a=b\nc`, "field_value"),
		malformed("8.2.1", "NUL in a value", asked, `> HEADERS 1 :status=200 a=b\0c`, "field_value"),
		malformed("8.2.1", "space before a value", asked, `> HEADERS 1 :status=200 a=\sb`, "field_value"),
		malformed("8.2.1", "tab behind a value", asked, `> HEADERS 1 :status=200 a=b\t`, "field_value"),
		malformed("8.2.2", "connection", asked, "> HEADERS 1 :status=200 connection=close", "connection_field"),
		malformed("8.2.2", "keep-alive", asked, "> HEADERS 1 :status=200 keep-alive=x", "connection_field"),
		malformed("8.2.2", "proxy-connection", asked, "> HEADERS 1 :status=200 proxy-connection=close", "connection_field"),
		malformed("8.2.2", "transfer-encoding", asked, "> HEADERS 1 :status=200 transfer-encoding=chunked", "connection_field"),
		malformed("8.2.2", "upgrade", asked, "> HEADERS 1 :status=200 upgrade=h2c", "connection_field"),
		malformed("8.2.2", "te", asked, "> HEADERS 1 :status=200 te=gzip", "connection_field"),
		malformed("8.2.2", "connection in 1xx", asked, "> HEADERS 1 :status=103 connection=close", "connection_field"),

		malformed("8.3", ":path in a reply", asked, "> HEADERS 1 :status=200 :path=/", "pseudo_field_misplaced"),
		malformed("8.3", ":method before :status", asked, "> HEADERS 1 :method=GET :status=200", "status_missing"),
		malformed("8.3", "unknown pseudo-header field", asked, "> HEADERS 1 :status=200 :x=y", "pseudo_field_misplaced"),
		malformed("8.3", ":status behind a field", asked, "> HEADERS 1 a=b :status=200", "status_missing"),
		malformed("8.3", "two :status", asked, "> HEADERS 1 :status=200 :status=200", "pseudo_field_misplaced"),
		malformed("8.3.2", "no :status", asked, "> HEADERS 1 a=b", "status_missing"),
		malformed("8.3.2", "nothing at all", asked, "> HEADERS 1", "status_missing"),
		malformed("8.3.2", "empty :status", asked, "> HEADERS 1 :status=", "status"),
		malformed("8.3.2", ":status 99", asked, "> HEADERS 1 :status=99", "status"),
		malformed("8.3.2", ":status 099", asked, "> HEADERS 1 :status=099", "status"),
		malformed("8.3.2", ":status 1000", asked, "> HEADERS 1 :status=1000", "status"),
		malformed("8.3.2", ":status +20", asked, "> HEADERS 1 :status=+20", "status"),
		malformed("8.3.2", ":status with a reason phrase", asked, `> HEADERS 1 :status=200\sOK`, "status"),
		malformed("8.6", ":status 101", asked, "> HEADERS 1 :status=101", "status"),
		fine("8.3.2", ":status 999", asked, "> HEADERS 1 end :status=999\n= 1 headers 999 end"),

		malformed("8.5", "HEADERS in a tunnel", tunnelled, "> HEADERS 1 end a=b", "tunnel_headers"),
		fine("8.5", "content-length of an accepted tunnel", ". open\n. 1 head CONNECT :authority=h:1\n< HEADERS 1 :method=CONNECT :authority=h:1"+opened3,
			"> HEADERS 1 :status=200 content-length=0 a=b\n= 1 headers 200 a=b\n> DATA 1 abc\n= 1 data abc"),
		fine("8.5", "204 accepts a tunnel too", ". open\n. 1 head CONNECT :authority=h:1\n< HEADERS 1 :method=CONNECT :authority=h:1"+opened3,
			"> HEADERS 1 :status=204\n= 1 headers 204\n> DATA 1 abc\n= 1 data abc"),
		fine("8.5", "a refused tunnel is a message", ". open\n. 1 head CONNECT :authority=h:1\n< HEADERS 1 :method=CONNECT :authority=h:1"+opened3,
			"> HEADERS 1 :status=403 content-length=2\n= 1 headers 403 length 2 content-length=2\n> DATA 1 no\n= 1 data no\n> HEADERS 1 end a=b\n= 1 trailers a=b"),
	}
	scripts := make([]script, len(rules))
	for i, r := range rules {
		scripts[i] = r.script()
	}
	runScripts(t, scripts)
}

// TestServerLimits is what no rule forbids but the session does not take.
func TestServerLimits(t *testing.T) {
	runScripts(t, []script{
		{name: "header list over the limit", client: true, limits: func(l *Limits) { l.HeaderFields = 3 },
			text: asked + "> HEADERS 1 :status=200 a=1 b=2 c=3\n< RST_STREAM 1 ENHANCE_YOUR_CALM\n= glitch header_too_large\n= 1 reset upstream_protocol_error\n" + served},
		{name: "header block that never ends", client: true, limits: func(l *Limits) { l.Continuations = 2 },
			text: asked + "> HEADERS 1 more :status=200\n> CONTINUATION 1 more\n> CONTINUATION 1 more\n> CONTINUATION 1 more\n" +
				"< GOAWAY 0 ENHANCE_YOUR_CALM\n= glitch continuation_flood\n= shut enhance_your_calm"},
	})
}
