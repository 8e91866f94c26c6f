// SPDX-License-Identifier: Apache-2.0

//go:build tools

package test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The example of docs/BOLT_OVER_HTTP2.md, as it stands there but for the
// address, calls a Bolt service.
func TestCurlExample(t *testing.T) {
	doc, err := os.ReadFile("../docs/BOLT_OVER_HTTP2.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sh\n(curl .*?)```").FindSubmatch(doc)
	if block == nil {
		t.Fatal("the page has no example")
	}
	seen := make(chan boltFrame, 1)
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		seen <- f
		return echoBolt(f)
	})
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{up.address()}}))
	example := strings.Replace(string(block[1]), "127.0.0.1:2046", p.address("in"), 1)
	out := run(t, "sh", "-c", strings.TrimSpace(example)+" -sS -i --max-time 20")
	for _, want := range []string{"HTTP/2 200", "content-type: application/json", "respstatus: 0", `{"hello": "world"}`} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	f := <-seen
	if f.codec != 12 || f.get("service") != "com.example.Echo:1.0" || f.get("sofa_head_method_name") != "echo" || string(f.content) != `{"hello": "world"}` {
		t.Errorf("the service got codec %d, %q, %q", f.codec, f.pairs, f.content)
	}
	p.wantOK(1)
}
