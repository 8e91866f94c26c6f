// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// failed waits until a request that failed for a reason is told of.
func (o *operated) failed(reason string) (f failureOf) {
	o.t.Helper()
	eventually(o.t, "the overview tells of "+reason, func() bool {
		for _, r := range o.overview().Recent {
			if r.Reason == reason {
				f = r
				return true
			}
		}
		return false
	})
	return f
}

// What is told of a failed request says what it was and where its time went.
func TestRecentFailures(t *testing.T) {
	t.Parallel() // it waits for most of the time
	slow := startBoltService(t, "127.0.0.1:0", func(boltFrame) []boltFrame { return nil })
	cut := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	slowH2 := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	const timeout = `, "timeout": "150ms"`
	o := operate(t, configOf(
		hop{name: "bolt", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{slow.address()}, route: timeout},
		hop{name: "converted", listen: "127.0.0.1:0", down: "SofaRpc", up: "Http2", hosts: []string{slowH2.address()}, route: timeout},
		hop{name: "cut", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{cut.address()}, match: anyRequest},
		hop{name: "none", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{freeAddress(t)}, match: `{"prefix": "/only"}`},
	))
	client := newH2Client(t)
	get := func(listener, path string) {
		t.Helper()
		r, err := client.Get("http://" + o.address(listener) + path)
		if err != nil {
			return // the connection may end before the head
		}
		_, _ = io.Copy(io.Discard, r.Body) // it breaks off
		r.Body.Close()
	}
	near := func(what string, seconds float64) {
		t.Helper()
		if seconds < 0.1 || seconds > 10 {
			t.Errorf("%s took %v s", what, seconds)
		}
	}

	dialBolt(t, o.address("bolt")).mustCall(t, newBoltRequest("com.example.Reports", body(10)))
	f := o.failed("upstream_timeout")
	if f.Request != "com.example.Reports" || f.Listener != "bolt" || f.Cluster != "bolt" || f.Host != slow.address() || f.Protocol != "bolt" {
		t.Errorf("a Bolt request without a reply: %+v", f)
	}
	near("waiting for the reply", f.Upstream)
	if f.Reply != 0 || f.Waiting > 5 {
		t.Errorf("%+v", f)
	}

	get("cut", "/a?b=c")
	f = o.failed("upstream_reset")
	if f.Request != "GET /a?b=c" || f.Host != cut.address() || f.Protocol != "http2" {
		t.Errorf("a reply that breaks off: %+v", f)
	}
	get("none", "/elsewhere")
	if f = o.failed("no_route"); f.Request != "GET /elsewhere" || f.Cluster != "" || f.Host != "" || f.Upstream != 0 {
		t.Errorf("a request without a route: %+v", f)
	}
	get("none", "/only?"+strings.Repeat("x", 1000))
	if f = o.failed("connect_failed"); len(f.Request) != 160 || !strings.HasPrefix(f.Request, "GET /only?xxx") || f.Cluster != "none" {
		t.Errorf("a request without a host: %+v", f)
	}
	dialBolt(t, o.address("converted")).mustCall(t, newBoltRequest("com.example.Other", nil))
	var text string
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(text)
		}
	})
	eventually(t, "the converted one is told of", func() bool {
		_, text = o.ask("GET", "/failures", "")
		return regexp.MustCompile(`(?m)^\S+Z upstream_timeout listener=converted cluster=converted host=127\S+ client=127\S+ protocol=bolt request="com.example.Other" retries=0 waiting=\S+ upstream=\S+ reply=0s$`).MatchString(text)
	})
}

// What a client writes into a path comes out as text that no terminal obeys.
func TestFailuresAreEscaped(t *testing.T) {
	o := operate(t, configOf(echoThrough(t, "127.0.0.1:0")))
	dialBolt(t, o.address("in")).mustCall(t, func() boltFrame {
		f := newBoltRequest("x", nil)
		f.pairs = []pair{{[]byte("sofa_head_target_service"), []byte("\x1b[2J\r\n\x00\xff\"<b>")}}
		return f
	}())
	if f := o.failed("no_route"); f.Request != `\x1b[2J\r\n\x00\xff"<b>` {
		t.Errorf("the request is %q", f.Request)
	}
	if _, text := o.ask("GET", "/failures", ""); strings.Count(text, "\n") != 1 || strings.ContainsAny(text, "\x1b\r\x00") {
		t.Errorf("%q", text)
	}
}

// One reason that is frequent pushes no other out.
func TestFrequentFailuresHideNoOther(t *testing.T) {
	dead := hop{name: "dead", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{freeAddress(t)}}
	o := operate(t, configOf(echoThrough(t, "127.0.0.1:0"), dead))
	dialBolt(t, o.address("dead")).mustCall(t, newBoltRequest("com.example.First", nil))
	c := dialBolt(t, o.address("in"))
	for range 300 {
		f := newBoltRequest("x", nil)
		f.pairs = nil
		c.mustCall(t, f)
	}
	if f := o.failed("connect_failed"); f.Request != "com.example.First" {
		t.Errorf("%+v", f)
	}
	n := 0
	for _, f := range o.overview().Recent {
		if f.Reason == "no_route" {
			n++
		}
	}
	const kept, loops = 16, 2
	if n == 0 || n > kept*loops {
		t.Errorf("%d requests without a route are remembered", n)
	}
}

// Malformed messages are shown as far as the protocol itself goes, and wholly to
// those who ask for it.
func TestErrors(t *testing.T) {
	garbage := listenScript(t)
	go func() {
		for {
			c, err := garbage.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(scriptLimit))
			_, _ = c.Read(make([]byte, 1))
			fmt.Fprint(c, "220 mail.example ESMTP hunter\r\n")
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	echo := startBoltService(t, "127.0.0.1:0", echoBolt)
	both := hop{name: "both", listen: "127.0.0.1:0", down: "SofaRpc,Http2", up: "SofaRpc", hosts: []string{echo.address()}}
	o := operate(t, configOf(both,
		hop{name: "h2", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{echo.address()}},
		hop{name: "bolt", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{garbage.Addr().String()}},
	))
	if status, text := o.ask("GET", "/errors", ""); status != 200 || !strings.HasPrefix(text, "no message has broken") {
		t.Fatalf("%d %s", status, text)
	}
	send := func(listener, text string) {
		t.Helper()
		c := dial(t, o.address(listener))
		fmt.Fprint(c, text)
		_, _ = io.Copy(io.Discard, c) // it is closed, one way or another
		c.Close()
	}
	send("both", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03random and the name of a host")
	send("h2", "GET /private HTTP/1.1\r\nAuthorization: Basic c2VjcmV0\r\n\r\n")
	bad := newBoltRequest("com.example.Orders", []byte("hunter2"))
	bytes := bad.encode()
	bytes[22+len(bad.class)] = 0x7f // the length of the first key
	c := dial(t, o.address("both"))
	if _, err := c.Write(bytes); err != nil {
		t.Fatal(err)
	}
	_, _ = dialBolt(t, o.address("bolt")).call(newBoltRequest(service, nil))

	var text string
	eventually(t, "all four are told of", func() bool {
		_, text = o.ask("GET", "/errors", "")
		return strings.Count(text, " at hand; number 1 of its kind") == 4
	})
	for _, want := range []string{
		`unknown from client 127\.0\.0\.1:\d+, listener both: unknown_protocol, wrong at offset 0 of \d+ bytes at hand; number 1 of its kind on its loop\n> 00000  16 03 01 02 00 01 00 01  fc 03 03 `,
		`http2 from client \S+, listener h2: bad_preface, wrong at offset 0 of \d+ bytes.*\n> 00000  47 45 54 20 2f 70 72 69  76 61 74 65 20 48 54 54  \|GET /private HTT\|\n  00016  50 2f 31 2e 31 0d 0a 41  \.\. \.\. `,
		`bolt from client \S+, listener both: bad_header_map, wrong at offset 66 of \d+ bytes.*\n  00000  01 01 00 01`,
		`bolt from host 127\S+, cluster bolt: not_bolt, wrong at offset 0 of 31 bytes.*\n> 00000  32 32 30 20 6d 61 69 6c  2e 65 78 61 6d 70 6c 65  \|220 mail\.example\|\n  00016  20 45 53 4d \.\. `,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
	for _, secret := range []string{"hunter", "68 75 6e 74", "c2V", "Basic"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is shown:\n%s", secret, text)
		}
	}
	if _, text = o.ask("GET", "/errors?values=true", ""); !strings.Contains(text, "|P/1.1..Authoriza|") || !strings.Contains(text, "68 75 6e 74") {
		t.Errorf("values are not shown:\n%s", text)
	}
	if _, text = o.ask("GET", "/errors?format=json", ""); !regexp.MustCompile(`"direction": "upstream",\s*"cluster": "bolt",\s*"peer": "127[^"]+",\s*"reason": "not_bolt",\s*"count": 1,\s*"size": 31,\s*"offset": 0,\s*"from": 0,\s*"bytes": "3232[0-9a-f]+\.\.`).MatchString(text) {
		t.Errorf("%s", text)
	}
}
