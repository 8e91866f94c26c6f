// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"slices"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/codec/http2/hpack"
)

// TestMalformedRequests: each is reset and never reaches the acceptor; the
// connection goes on.
func TestMalformedRequests(t *testing.T) {
	const line = ":method=GET :scheme=http :path=/ :authority=h "
	var scripts []script
	for _, x := range []struct{ name, fields, word string }{
		{"upper case", line + "X-Test=1", "field_name"},
		{"empty name", line + "=1", "field_name"},
		{"space in a name", line + `a\sb=1`, "field_name"},
		{"NUL in a value", line + `a=x\0y`, "field_value"},
		{"CR in a value", line + `a=x\ry`, "field_value"},
		{"LF in a value", line + `a=x\ny`, "field_value"},
		{"space before a value", line + `a=\sx`, "field_value"},
		{"tab behind a value", line + `a=x\t`, "field_value"},
		{"connection", line + "connection=close", "connection_field"},
		{"keep-alive", line + "keep-alive=1", "connection_field"},
		{"proxy-connection", line + "proxy-connection=close", "connection_field"},
		{"transfer-encoding", line + "transfer-encoding=chunked", "connection_field"},
		{"upgrade", line + "upgrade=h2c", "connection_field"},
		{"te gzip", line + "te=gzip", "connection_field"},
		{"unknown pseudo-header field", line + ":x=1", "pseudo_field"},
		{":status in a request", line + ":status=200", "pseudo_field"},
		{":protocol not announced", ":method=CONNECT :scheme=http :path=/ :authority=h :protocol=websocket", "pseudo_field"},
		{"pseudo-header field behind a field", ":method=GET :scheme=http a=b :path=/", "pseudo_field_misplaced"},
		{"two :method", line + ":method=GET", "pseudo_field"},
		{"two :path", line + ":path=/", "pseudo_field"},
		{"two :scheme", line + ":scheme=http", "pseudo_field"},
		{"two :authority", line + ":authority=h", "pseudo_field"},
		{"no :method", ":scheme=http :path=/", "method"},
		{"no :scheme", ":method=GET :path=/", "scheme"},
		{"no :path", ":method=GET :scheme=http", "path"},
		{"empty :path", ":method=GET :scheme=http :path=", "path"},
		{"relative :path", ":method=GET :scheme=http :path=x", "path"},
		{"asterisk of GET", ":method=GET :scheme=http :path=*", "path"},
		{"space in :path", `:method=GET :scheme=http :path=/a\sHTTP/1.1`, "path"},
		{"fragment in :path", ":method=GET :scheme=http :path=/a#b", "path"},
		{"space in :method", `:method=GET\s/ :scheme=http :path=/`, "method"},
		{"empty :method", ":method= :scheme=http :path=/", "method"},
		{"bad :scheme", ":method=GET :scheme=ht:tp :path=/", "scheme"},
		{"user in :authority", ":method=GET :scheme=http :path=/ :authority=u@h", "authority"},
		{"path in :authority", ":method=GET :scheme=http :path=/ :authority=h/x", "authority"},
		{"CONNECT with :path", ":method=CONNECT :authority=h:1 :path=/", "connect"},
		{"CONNECT without :authority", ":method=CONNECT", "connect"},
		{"CONNECT with host alone", ":method=CONNECT host=h:1", "connect"},
		{"CONNECT without port", ":method=CONNECT :authority=h", "connect"},
		{"CONNECT with an empty port", ":method=CONNECT :authority=h:", "connect"},
		{"CONNECT with port 0", ":method=CONNECT :authority=h:0", "connect"},
		{"CONNECT with port 65536", ":method=CONNECT :authority=h:65536", "connect"},
		{"CONNECT with a port only", ":method=CONNECT :authority=:1", "connect"},
		{"host unlike :authority", line + "host=x", "host_mismatch"},
		{"host with another scheme's port", line + "host=h:443", "host_mismatch"},
		{"empty host beside :authority", line + "host=", "host_mismatch"},
		{"two host", line + "host=h host=h", "host"},
		{"path in host", ":method=GET :scheme=http :path=/ host=a/b", "host"},
		{"user in host", ":method=GET :scheme=http :path=/ host=u@a", "host"},
		{"length without digits", line + "content-length=1x", "content_length"},
		{"negative length", line + "content-length=-1", "content_length"},
		{"empty length", line + "content-length=", "content_length"},
		{"list of lengths", line + `content-length=1,1`, "content_length"},
		{"two lengths", line + "content-length=1 content-length=2", "content_length"},
		{"length over 63 bits", line + "content-length=9223372036854775808", "content_length"},
		{"length and END_STREAM", line + "content-length=1", "content_length_mismatch"},
		{"empty block", "", "method"},
	} {
		scripts = append(scripts, script{name: x.name, text: `
			> HEADERS 1 end ` + x.fields + `
			< RST_STREAM 1 PROTOCOL_ERROR
			= glitch ` + x.word + `
			. active 0
			> HEADERS 3 end GET
			= 3 headers GET h/ end`})
	}
	runScripts(t, scripts)
}

func TestRequestsThatAreFine(t *testing.T) {
	runScripts(t, []script{
		{name: "te trailers", text: "> HEADERS 1 end GET te=trailers\n= 1 headers GET h/ te=trailers end"},
		{name: "equal lengths", text: "> HEADERS 1 GET content-length=1 content-length=1\n= 1 headers GET h/ length 1 content-length=1 content-length=1"},
		{name: "OPTIONS *", text: "> HEADERS 1 end :method=OPTIONS :scheme=http :path=*\n= 1 headers OPTIONS * end"},
		{name: "CONNECT", text: "> HEADERS 1 :method=CONNECT :authority=h:1\n= 1 headers CONNECT h:1"},
		{name: "te Trailers", text: "> HEADERS 1 end GET te=Trailers\n= 1 headers GET h/ te=Trailers end"},
		{name: "host alone becomes :authority", text: "> HEADERS 1 end :method=GET :scheme=http :path=/ a=b host=a:1 c=d\n= 1 headers GET a:1/ a=b c=d end"},
		{name: "host like :authority", text: "> HEADERS 1 end GET host=H\n= 1 headers GET h/ host=H end"},
		{name: "host like :authority but for the scheme's port", text: "> HEADERS 1 end GET host=h:80\n= 1 headers GET h/ host=h:80 end"},
		{name: "empty value", text: "> HEADERS 1 end GET a=\n= 1 headers GET h/ a= end"},
		{name: "ninety crumbs and fifteen fields", text: "> HEADERS 1 end GET" + strings.Repeat(" cookie=a\\eb", 90) + strings.Repeat(" x=y", 15) +
			"\n= 1 headers GET h/" + strings.Repeat(" cookie=a=b", 90) + strings.Repeat(" x=y", 15) + " end"},
	})
}

func TestContentLength(t *testing.T) {
	const request = "> HEADERS 1 POST content-length=4\n= 1 headers POST h/ length 4 content-length=4\n"
	const mismatch = "< RST_STREAM 1 PROTOCOL_ERROR\n= glitch content_length_mismatch\n= 1 reset protocol_error\n"
	runScripts(t, []script{
		{name: "too much", text: request + "> DATA 1 abcde\n" + mismatch},
		{name: "too much in the second frame", text: request + "> DATA 1 abc\n= 1 data abc\n> DATA 1 de end\n" + mismatch},
		{name: "too little", text: request + "> DATA 1 abc end\n" + mismatch},
		{name: "too little behind padding", text: request + "> DATA 1 pad=9 abc end\n" + mismatch},
		{name: "too little and trailers", text: request + "> DATA 1 abc\n= 1 data abc\n> HEADERS 1 end a=b\n" + mismatch},
		{name: "exact", text: request + "> DATA 1 abcd\n= 1 data abcd\n> DATA 1 end\n= 1 data end"},
		{name: "reply too short", client: true, text: `
			. open
			. 1 head GET / end
			< HEADERS 1 :method=GET :scheme=http :path=/ end
			> HEADERS 1 :status=200 content-length=9
			= 1 headers 200 length 9 content-length=9
			> DATA 1 abc end
			< RST_STREAM 1 PROTOCOL_ERROR
			= glitch content_length_mismatch
			= 1 reset upstream_protocol_error`},
	})
}

func TestMalformedTrailers(t *testing.T) {
	var scripts []script
	for _, x := range []struct{ fields, word string }{
		{":status=200", "pseudo_field_misplaced"},
		{":path=/", "pseudo_field_misplaced"},
		{"Upper=1", "field_name"},
		{"connection=close", "connection_field"},
	} {
		scripts = append(scripts, script{name: x.fields, text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			> HEADERS 1 end ` + x.fields + `
			< RST_STREAM 1 PROTOCOL_ERROR
			= glitch ` + x.word + `
			= 1 reset protocol_error`})
	}
	runScripts(t, scripts)
}

func TestMalformedReplies(t *testing.T) {
	var scripts []script
	for _, x := range []struct{ name, headers, word string }{
		{"no :status", "a=b", "status_missing"},
		{"empty block", "", "status_missing"},
		{":status behind a field", "a=b :status=200", "status_missing"},
		{":status of two digits", ":status=20", "status"},
		{":status with a letter", ":status=2x0", "status"},
		{":status 099", ":status=099", "status"},
		{":status 101", ":status=101", "status"},
		{"two :status", ":status=200 :status=200", "pseudo_field_misplaced"},
		{":path in a reply", ":status=200 :path=/", "pseudo_field_misplaced"},
		{"1xx with END_STREAM", "end :status=103", "informational_end"},
		{"upper case", ":status=200 A=b", "field_name"},
		{"transfer-encoding", ":status=200 transfer-encoding=chunked", "connection_field"},
		{"length and END_STREAM", "end :status=200 content-length=3", "content_length_mismatch"},
	} {
		scripts = append(scripts, script{name: x.name, client: true, text: `
			. open
			. 1 head GET / end
			< HEADERS 1 :method=GET :scheme=http :path=/ end
			> HEADERS 1 ` + x.headers + `
			< RST_STREAM 1 PROTOCOL_ERROR
			= glitch ` + x.word + `
			= 1 reset upstream_protocol_error
			. open
			. 3 head GET / end
			< HEADERS 3 :method=GET :scheme=http :path=/ end`})
	}
	runScripts(t, scripts)
}

// TestIllegalFieldsAreNotSent: whatever a head says, what is sent is legal.
func TestIllegalFieldsAreNotSent(t *testing.T) {
	runScripts(t, []script{
		{name: "reply", text: `
			> HEADERS 1 end GET
			= 1 headers GET h/ end
			. 1 head 200 connection=close keep-alive=1 Upper=1 transfer-encoding=chunked upgrade=x te=gzip a\sb=1 c=x\r\ny d=\sz =e ok=1 end
			< HEADERS 1 :status=200 ok=1 end`},
		{name: "request", client: true, text: `
			. open
			. 1 head GET / proxy-connection=x te=trailers host=a end
			< HEADERS 1 :method=GET :scheme=http :path=/ te=trailers host=a end`},
		{name: "CONNECT", client: true, text: `
			. open
			. 1 head CONNECT :authority=h:1
			< HEADERS 1 :method=CONNECT :authority=h:1
			> SETTINGS ENABLE_CONNECT_PROTOCOL=1
			< SETTINGS ack
			. open
			. 3 head CONNECT :authority=h:1 :protocol=websocket /chat
			< HEADERS 3 :method=CONNECT :scheme=http :authority=h:1 :path=/chat :protocol=websocket`},
		{name: "request line", client: true, text: `
			. open
			. 1 head GET /a\r\nb :authority=u@h end
			< HEADERS 1 :method=GET :scheme=http :path=/ end`},
		{name: "host unlike :authority", client: true, text: `
			. open
			. 1 head GET / :authority=h host=x a=b end
			< HEADERS 1 :method=GET :scheme=http :authority=h :path=/ a=b end`},
		{name: "empty head", client: true, text: `
			. open
			. 1 head end
			< HEADERS 1 :method=GET :scheme=http :path=/ end`},
	})
}

// TestSecretsAreNeverIndexed: "!" marks a never indexed field.
func TestSecretsAreNeverIndexed(t *testing.T) {
	long := strings.Repeat("c", guessable)
	runScripts(t, []script{{name: "request", client: true, text: `
		. open
		. 1 head GET / authorization=a proxy-authorization=b cookie=short cookie=` + long + ` x=y end
		< HEADERS 1 :method=GET :scheme=http :path=/ authorization=a! proxy-authorization=b! cookie=short! cookie=` + long + ` x=y end`}})
	// Fields that came as never indexed go on like that, held trailers too.
	p := newPlayer(t, script{})
	p.send("PREFACE")
	p.send("SETTINGS INITIAL_WINDOW_SIZE=0")
	p.send("HEADERS 1 end GET")
	p.feed()
	secret := []hpack.Field{{Name: []byte("x"), Value: []byte("y"), Sensitive: true}}
	s := p.holders[1].stream
	s.SendHeaders(&Head{Status: 200, Fields: secret}, []byte("body"), false)
	s.SendTrailers(&Head{Fields: secret})
	p.send("WINDOW_UPDATE 1 4")
	p.feed()
	p.parseOutput()
	want := []string{"HEADERS 1 :status=200 x=y!", "DATA 1 body", "HEADERS 1 x=y! end"}
	if got := p.unmatched[3:]; !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// TestLargeHeaderBlockIsSplit: beyond a frame's size CONTINUATION follows.
func TestLargeHeaderBlockIsSplit(t *testing.T) {
	runScripts(t, []script{{name: "40 KB", text: `
		> HEADERS 1 end GET
		= 1 headers GET h/ end
		. 1 head 200 a=W*40000 end
		< HEADERS 1 more end
		< CONTINUATION 1 more
		< CONTINUATION 1 :status=200 a=` + strings.Repeat("W", 40000)}})
}
