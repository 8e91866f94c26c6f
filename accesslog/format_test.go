// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline"
	"github.com/sideloop/sideloop/pipeline/router"
)

// noon is a moment with milliseconds.
var noon = time.Date(2024, 5, 6, 12, 7, 8, 90_123_456, time.UTC)

// bolt is a Bolt request that was answered, by http2 a gRPC request that failed.
func boltEnded() *pipeline.Ended {
	ms := int64(time.Millisecond)
	return &pipeline.Ended{
		Began: 1000 * ms, Received: 1000*ms + 500, Sent: 1001 * ms, Resent: 1002 * ms, Replied: 1004*ms + 250_000, Finished: 1005 * ms,
		Wall: noon.UnixNano() - 1000*ms, Loop: 1, Listener: "in", Cluster: "echo", Route: &router.Route{Place: "servers[0].routers[0]"},
		Host: &cluster.Host{Address: "10.0.0.1:12200"}, Tries: 2,
		UpstreamLocal: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 4000}, UpstreamConnection: 513, Connection: 257,
		Remote: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5000}, Local: &net.TCPAddr{IP: net.IPv6loopback, Port: 2045},
		From: codec.Bolt, To: codec.HTTP2, Class: []byte("a.B"),
		Status: 200, GRPCStatus: pipeline.NoStatus, BoltStatus: 0, UpstreamStatus: 200,
		BytesReceived: 10, BytesSent: 20, UpstreamBytesSent: 30, UpstreamBytesReceived: 40,
	}
}

func grpcEnded() *pipeline.Ended {
	return &pipeline.Ended{
		Began: 1, Received: 1, Finished: 2_500_000_001, Wall: noon.UnixNano() - 1, Listener: "in",
		Hello: &eventloop.Hello{ServerName: "echo.example", Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, Peer: &eventloop.Identity{
			Verified: true, Subject: "CN=me", Issuer: "CN=\"us\"", Serial: "1f", URIs: []string{"spiffe://td/ns/x,y", "urn:z"}, DNSNames: []string{"me"}, Hash: "abcd",
		}},
		From: codec.HTTP2, GRPC: true, Method: []byte("POST"), Path: []byte("/a.B/C?x=1&y=%22"), Authority: []byte("echo.example"), Scheme: []byte("https"),
		Reason: codec.NoRoute, Status: 200, GRPCStatus: 12, BoltStatus: pipeline.NoStatus,
	}
}

// headers gives a request, and its reply, what a format wants.
func headers(want *wanted, request, reply map[string]string) func(*pipeline.Ended) {
	return func(r *pipeline.Ended) {
		r.Request, r.Reply = nil, nil
		for _, name := range want.request {
			v, ok := request[name]
			r.Request = append(r.Request, pipeline.Header{Value: []byte(v), Present: ok})
		}
		for _, name := range want.reply {
			v, ok := reply[name]
			r.Reply = append(r.Reply, pipeline.Header{Value: []byte(v), Present: ok})
		}
	}
}

// wanted is what formats note in a pipeline.Wanted, by the order of their wishes.
type wanted struct{ request, reply []string }

func formatOf(t testing.TB, text string) (*format, *wanted) {
	t.Helper()
	list, wrong := config.ParseLogFormat(text)
	if wrong != "" {
		t.Fatalf("%q: wrong at %q", text, wrong)
	}
	w := &wanted{}
	for _, s := range list {
		if s.Variable == nil {
			continue
		}
		for _, name := range headersOf(s.Variable) {
			if s.Variable.Kind == config.LogReplyHeader {
				w.reply = append(w.reply, name)
			} else {
				w.request = append(w.request, name)
			}
		}
	}
	return compile(&config.AccessLog{Line: list}, new(pipeline.Wanted)), w
}

func TestVariables(t *testing.T) {
	here := noon.Local().Format("2006/01/02 15:04:05.000")
	for _, c := range []struct{ format, bolt, grpc string }{
		{"plain 100%%", "plain 100%", "plain 100%"},
		{"%start_time% %time% %time_unix_ms%", here + " 2024-05-06T12:07:08.090Z 1714997228090", here + " 2024-05-06T12:07:08.090Z 1714997228090"},
		{"%StartTime%|%RequestReceivedDuration%|%Duration%", here + "|500ns|5ms", here + "|0ns|2.5s"},
		{"%request_received_duration% %response_received_duration% %duration%", "500ns 4.25ms 5ms", "0ns - 2.5s"},
		{"%process_time_duration% %request_finished_duration%", "2.75ms 5ms", "2.5s 2.5s"},
		{"%duration_ms% %request_ms% %wait_ms% %upstream_ms% %reply_ms%", "5 0 1 2.25 0.75", "2500 0 - - -"},
		{"%bytes_received% %bytes_sent% %upstream_bytes_sent% %upstream_bytes_received%", "10 20 30 40", "0 0 0 0"},
		{"%protocol% %upstream_protocol%", "bolt Http2", "Http2 -"},
		{"%response_code% %upstream_response_code% %grpc_status% %bolt_status%", "200 200 - 0", "200 - 12 -"},
		{"%reason% %response_flag% %response_flags%", "- - -", "no_route NR NR"},
		{"%reason_text%", "-", codec.NoRoute.Text()},
		{"%tries% %one_way% %listener% %loop%", "2 false in 1", "0 false in 0"},
		{"%route_name% %upstream_cluster% %upstream_host%", "servers[0].routers[0] echo 10.0.0.1:12200", "- - -"},
		{"%upstream_local_address% %upstream_connection_id% %connection_id%", "10.0.0.9:4000 513 257", "- - -"},
		{"%downstream_remote_address% %downstream_local_address%", "127.0.0.1:5000 [::1]:2045", "- -"},
		{"%requested_server_name% %tls_version% %DOWNSTREAM_TLS_CIPHER%", "- - -", "echo.example TLSv1.3 TLS_AES_128_GCM_SHA256"},
		{"%tls_peer_subject% %tls_peer_san% %tls_peer_hash%", "- - -", "CN=me spiffe://td/ns/x,y abcd"},
		{"%downstream_tls_version% %downstream_tls_cipher%", "- -", "TLSv1.3 TLS_AES_128_GCM_SHA256"},
		{"%downstream_peer_subject% %downstream_peer_issuer% %downstream_peer_serial%", "- - -", `CN=me CN=\"us\" 1f`},
		{"%downstream_peer_uri_san% %downstream_peer_dns_san% %downstream_peer_fingerprint_256%", "- - -", "spiffe://td/ns/x,y,urn:z me abcd"},
		{"%method% %x-mosn-method% %scheme% %authority% %uri%", "- - - - -", "POST POST https echo.example /a.B/C?x=1&y=%22"},
		{"%path% %Http2_request_path_original% %query% %Http2_request_arg_x% %request_arg_z%", "- - - - -", "/a.B/C /a.B/C x=1&y=%22 1 -"},
		{"%class% %service% %operation%", "a.B com.example.Echo:1.0 call", "- com.example.Echo:1.0 call"},
		{"%request_header_X-Id% %REQ.missing% %RESP.Server% %response_header_none%", "seven - me -", "seven - me -"},
		{"%cookie_b% %Http1_cookie_none%", "2 -", "2 -"},
		{"%trace_id% %span_id%", "0af7651916cd43dd8448eb211c80319c -", "0af7651916cd43dd8448eb211c80319c -"},
	} {
		f, want := formatOf(t, c.format)
		give := headers(want, map[string]string{
			"service": "com.example.Echo:1.0", "sofa_head_method_name": "call", "X-Id": "seven", "cookie": `a=1; b="2"`,
			"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		}, map[string]string{"Server": "me"})
		for _, side := range []struct {
			ended *pipeline.Ended
			want  string
		}{{boltEnded(), c.bolt}, {grpcEnded(), c.grpc}} {
			give(side.ended)
			if got := string(f.append(nil, side.ended, new(memory))); got != side.want+"\n" {
				t.Errorf("%s of %v is\n%q, want\n%q", c.format, side.ended.From, got, side.want)
			}
		}
	}
}

// Each variable of the table is written without harm for a request of which
// nothing is known.
func TestVariablesOfNothing(t *testing.T) {
	for _, name := range config.LogVariableNames() {
		f, want := formatOf(t, "%"+name+"%")
		r := &pipeline.Ended{GRPCStatus: pipeline.NoStatus, BoltStatus: pipeline.NoStatus, Finished: 1}
		headers(want, nil, nil)(r)
		if got := f.append(nil, r, new(memory)); len(got) < 2 || strings.Count(string(got), "\n") != 1 {
			t.Errorf("%s is %q", name, got)
		}
	}
}

func TestJSONLines(t *testing.T) {
	c, problems := config.Parse("t.json", []byte(`{"servers": [{"listeners": [{"name": "in", "address": "127.0.0.1:1", "bind_port": true,
		"access_logs": [{"log_path": "stdout", "json_format": {"code": "%response_code%", "mix": "%response_code% \"%method%\"", "none": "%grpc_status%",
			"host": "%upstream_host%", "no\"host": "%tls_version%", "way": "%one_way%", "fix": "100%%", "in": {"ms": "%duration_ms%", "agent": "%request_header_agent%"}}}],
		"filter_chains": [{"filters": [{"type": "proxy", "config": {"downstream_protocol": "bolt", "router_config_name": "r"}}]}]}]}]}`))
	if c == nil {
		t.Fatal(problems)
	}
	f := compile(&c.Server.Listeners[0].AccessLogs[0], new(pipeline.Wanted))
	r := boltEnded()
	r.Request = []pipeline.Header{{Value: []byte("a\"\\\n\x00\xff\u2028é"), Present: true}}
	got := string(f.append(nil, r, new(memory)))
	const want = `{"code":200,"mix":"200 \"-\"","none":null,"host":"10.0.0.1:12200","no\"host":null,"way":false,"fix":"100%",` +
		`"in":{"ms":5,"agent":"a\"\\\u000a\u0000\ufffd\u2028é"}}` + "\n"
	if got != want {
		t.Errorf("line\n%s, want\n%s", got, want)
	}
	if !json.Valid([]byte(got)) {
		t.Error("the line is no JSON")
	}
}

func TestEscapes(t *testing.T) {
	for v, want := range map[string][2]string{
		"plain":                {"plain", "plain"},
		"a\r\nb":               {`a\x0d\x0ab`, `a\u000d\u000ab`},
		"\x1b[31m\x7f":         {`\x1b[31m\x7f`, `\u001b[31m\u007f`},
		`"\`:                   {`\"\\`, `\"\\`},
		"\xc3\x28":             {`\xc3(`, `\ufffd(`},
		"\u009b2J\u202e":       {`\xc2\x9b2J\xe2\x80\xae`, `\u009b2J\u202e`},
		"grüße, 世界 \U0001f600": {"grüße, 世界 \U0001f600", "grüße, 世界 \U0001f600"},
		"\ufffd":               {"\ufffd", "\ufffd"},
	} {
		for how, want := range want {
			if got := string(appendEscaped(nil, v, escaping(how), 1000)); got != want {
				t.Errorf("%q as %d is %q, want %q", v, how, got, want)
			}
		}
	}
	for room, want := range []string{"...", "a...", "aé?..."} {
		if got := string(appendEscaped(nil, "aé\nb", inText, []int{0, 2, 3}[room])); got != strings.ReplaceAll(want, "?", "") {
			t.Errorf("with room for %d: %q", room, got)
		}
	}
}

// FuzzEscape holds what is written of any value: within its room, one line of
// valid UTF-8 without controls, and in JSON what JSON makes of it.
func FuzzEscape(f *testing.F) {
	f.Add([]byte("plain"), 100)
	f.Add([]byte("\" \\ \r\n \x00 \x7f"), 100)
	f.Add([]byte("\xff\xc3\x28 é \u2028 \U0001f600"), 7)
	f.Add([]byte("%00%0d%0aSet-Cookie: x"), 0)
	f.Fuzz(func(t *testing.T, v []byte, room int) {
		room = min(max(room, 0), 1<<16)
		for _, how := range []escaping{inText, inJSON} {
			got := appendEscaped([]byte("before"), v, how, room)[len("before"):]
			if len(got) > room+len(cutMark) {
				t.Fatalf("%d bytes in a room for %d", len(got), room)
			}
			if !utf8.Valid(got) {
				t.Fatalf("%q is no UTF-8", got)
			}
			for _, r := range string(got) {
				if r < ' ' || r == 0x7f || r > 0x7f && !harmless(r) {
					t.Fatalf("%q has %q", got, r)
				}
			}
			if how == inText || len(got) >= room {
				continue
			}
			var read string
			if err := json.Unmarshal(append(append([]byte{'"'}, got...), '"'), &read); err != nil {
				t.Fatalf("%q: %v", got, err)
			}
			if want := strings.ToValidUTF8(string(v), "\ufffd"); strings.ReplaceAll(read, "\ufffd", "") != strings.ReplaceAll(want, "\ufffd", "") {
				t.Fatalf("%q was read as %q", v, read)
			}
		}
	})
}

// Whatever clients send, a line is bounded.
func TestLinesAreBounded(t *testing.T) {
	var text strings.Builder
	request := map[string]string{}
	for i := range 100 {
		name := "h" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		text.WriteString("%request_header_" + name + "%,")
		request[name] = strings.Repeat("\n", 4096)
	}
	f, want := formatOf(t, text.String())
	r := boltEnded()
	headers(want, request, nil)(r)
	if n, most := len(f.append(nil, r, new(memory))), valuesMax+100*len("...,")+1; n > most {
		t.Errorf("a line of %d bytes, want at most %d", n, most)
	}
	if blockSize < blockFull+2*valuesMax {
		t.Error("a block has no room for a line")
	}
}

func TestDurations(t *testing.T) {
	for d, want := range map[time.Duration][2]string{
		0: {"0ns", "0"}, 999: {"999ns", "0"}, 1000: {"1µs", "0.001"}, 1500: {"1.5µs", "0.001"}, 1001 * time.Microsecond: {"1.001ms", "1.001"},
		time.Second + 1: {"1s", "1000"}, 1234567 * time.Microsecond: {"1.234s", "1234.567"}, 90 * time.Minute: {"5400s", "5400000"}, 10*time.Millisecond + 50*time.Microsecond: {"10.05ms", "10.05"}, 12300: {"12.3µs", "0.012"},
	} {
		if got := string(appendDuration(nil, uint64(d))); got != want[0] {
			t.Errorf("%v is %q, want %q", d, got, want[0])
		}
		if got := string(appendMS(nil, uint64(d))); got != want[1] {
			t.Errorf("%v in milliseconds is %q, want %q", d, got, want[1])
		}
	}
}

func TestSieve(t *testing.T) {
	served, failed := boltEnded(), grpcEnded()
	for _, c := range []struct {
		filter         config.LogFilter
		served, failed bool
	}{
		{config.LogFilter{Percent: 100}, true, true},
		{config.LogFilter{Percent: 100, OnlyFailed: true}, false, true},
		{config.LogFilter{Percent: 100, SlowerThan: 5 * time.Millisecond}, false, true},
		{config.LogFilter{Percent: 100, SlowerThan: 4 * time.Millisecond}, true, true},
		{config.LogFilter{Percent: 100, StatusFrom: 200}, true, true},
		{config.LogFilter{Percent: 100, StatusFrom: 201}, false, false},
		{config.LogFilter{Percent: 1e-9}, false, false},
	} {
		s := newSieve(&c.filter)
		if s.passes(served) != c.served || s.passes(failed) != c.failed {
			t.Errorf("%+v: %v and %v, want %v and %v", c.filter, s.passes(served), s.passes(failed), c.served, c.failed)
		}
	}
	half, n := newSieve(&config.LogFilter{Percent: 50}), 0
	for range 10000 {
		if half.passes(served) {
			n++
		}
	}
	if n < 4000 || n > 6000 {
		t.Errorf("%d of 10000 at 50 %%", n)
	}
}

// everything is a format with each variable that takes no header, and some.
func everything() string {
	var text strings.Builder
	for _, name := range config.LogVariableNames() {
		if !strings.HasSuffix(name, "NAME") && len(headersOf(&config.LogVariable{Kind: kindOf(name)})) == 0 {
			text.WriteString("%" + name + "% ")
		}
	}
	return text.String() + "%trace_id% %request_header_a%"
}

func kindOf(name string) config.LogKind {
	list, _ := config.ParseLogFormat("%" + name + "%")
	return list[0].Variable.Kind
}

// BenchmarkLine is the formatting of one line.
func BenchmarkLine(b *testing.B) {
	for _, c := range []struct{ name, format string }{{"default", config.DefaultLogFormat}, {"short", "%time% %response_code% %reason% %duration_ms%"}, {"everything", everything()}} {
		b.Run(c.name, func(b *testing.B) {
			f, want := formatOf(b, c.format)
			r := boltEnded()
			headers(want, map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, nil)(r)
			b.ReportAllocs()
			var line []byte
			m := new(memory)
			for b.Loop() {
				line = f.append(line[:0], r, m)
			}
		})
	}
}
