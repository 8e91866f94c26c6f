// SPDX-License-Identifier: Apache-2.0

package peers

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sideloop/sideloop/bench"
	"github.com/sideloop/sideloop/config"
)

func TestMain(m *testing.M) {
	// A pool of goroutines of the event loop lives as long as the process.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"))
}

// patience bounds what should happen soon.
const patience = 20 * time.Second

func TestConfigurationsNameBothEnds(t *testing.T) {
	for _, p := range All() {
		for _, h := range []Hop{
			{Listen: "127.0.0.1:2045", Target: "127.0.0.2:8080", Down: Bolt, Up: Bolt},
			{Listen: "127.0.0.1:2045", Target: "127.0.0.2:8080", Down: HTTP2, Up: HTTP2},
		} {
			if p.template == "" || !p.Carries(h) {
				continue
			}
			text, err := render(p.template, "/tmp/x", h)
			if err != nil {
				t.Errorf("%s: %v", p.ID, err)
				continue
			}
			for _, want := range []string{"127.0.0.1", "2045", "127.0.0.2", "8080"} {
				if !bytes.Contains(text, []byte(want)) {
					t.Errorf("%s, %s: no %s in\n%s", p.ID, h.Down, want, text)
				}
			}
		}
	}
}

// Sideloop finds nothing to object to in what it is given.
func TestSideloopConfiguration(t *testing.T) {
	for i, h := range [][2]Protocol{{Bolt, Bolt}, {HTTP2, HTTP2}, {Bolt, HTTP2}, {HTTP2, Bolt}, {Bolt, Bolt}, {HTTP2, HTTP2}} {
		text, err := render("mosn.json.tmpl", "/tmp/x", Hop{
			Listen: "127.0.0.1:2045", Target: "127.0.0.1:8080", Down: h[0], Up: h[1], DownTLS: i > 3, UpTLS: i > 4, Admin: []string{"", "127.0.0.1:34901"}[i%2],
		})
		if err != nil {
			t.Fatal(err)
		}
		c, problems := config.Parse("suite.json", text)
		if len(problems) > 0 {
			t.Fatalf("%s to %s: %v", h[0], h[1], problems)
		}
		if (c.Admin.Address == "127.0.0.1:34901") != (i%2 == 1) {
			t.Errorf("%s to %s: the admin server is at %q", h[0], h[1], c.Admin.Address)
		}
		if (len(c.Server.Listeners[0].TLS) == 1) != (i > 3) || (c.Clusters[0].TLS != nil) != (i > 4) {
			t.Errorf("%s to %s: TLS is not where it was asked for:\n%s", h[0], h[1], text)
		}
	}
}

// So it does at any size, and the route that matches is the last.
func TestGrownConfiguration(t *testing.T) {
	for _, down := range []Protocol{Bolt, HTTP2} {
		text, err := render("mosn.json.tmpl", "/tmp/x", Hop{
			Listen: "127.0.0.1:2045", Target: "127.0.0.1:8080", Down: down, Up: down, Size: Size{Routes: 1000, Hosts: 1000},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, problems := config.Parse("suite.json", text); len(problems) > 0 {
			t.Errorf("%s: %v", down, problems)
		}
		if routes, hosts := bytes.Count(text, []byte(`"match"`)), bytes.Count(text, []byte(":8080")); routes != 1000 || hosts != 1000 {
			t.Errorf("%s: %d routes, %d hosts", down, routes, hosts)
		}
		if last := bytes.LastIndex(text, []byte("ecoy")); last > bytes.LastIndex(text, []byte(`"match"`)) {
			t.Errorf("%s: the route that matches is not the last", down)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	good := Hop{Listen: "127.0.0.1:1", Target: "127.0.0.1:2", Down: Bolt, Up: Bolt}
	for _, c := range []struct {
		name, want string
		change     func(*Hop) (dir string)
	}{
		{"no port to listen on", "missing port", func(h *Hop) string { h.Listen = "127.0.0.1"; return "/tmp" }},
		{"no port to send to", "missing port", func(h *Hop) string { h.Target = "x"; return "/tmp" }},
		{"no admin port", "missing port", func(h *Hop) string { h.Admin = "x"; return "/tmp" }},
		{"a quote", "has a character", func(h *Hop) string { h.Target = `x":1`; return "/tmp" }},
		{"a space in the folder", "has a character", func(*Hop) string { return "/tmp/a b" }},
		{"fewer routes than none", "not between", func(h *Hop) string { h.Routes = -1; return "/tmp" }},
		{"more hosts than addresses", "not between", func(h *Hop) string { h.Hosts = 64_001; return "/tmp" }},
		{"an unknown protocol", "no protocol", func(h *Hop) string { h.Up = "x"; return "/tmp" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := good
			dir := c.change(&h)
			if _, err := render("mosn.json.tmpl", dir, h); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("the error is %v, want %q", err, c.want)
			}
		})
	}
}

func TestSelect(t *testing.T) {
	two := Programs{SideloopB: "/bin/true"}
	for _, c := range []struct {
		ids      []string
		programs Programs
		first    []string // of those selected
		n        int
	}{
		{nil, Programs{}, []string{"sideloop", "relay"}, len(All()) - 3},
		{nil, two, []string{"sideloop", "sideloop-b", "relay"}, len(All()) - 2},
		{[]string{"relay", "sideloop"}, Programs{}, []string{"sideloop", "relay"}, 2},
		{[]string{"sideloop"}, two, []string{"sideloop", "sideloop-b"}, 2},
		{[]string{"sideloop-log", "sideloop"}, Programs{}, []string{"sideloop", "sideloop-log"}, 2},
		{[]string{"sideloop-b"}, Programs{}, []string{"sideloop-b"}, 1},
	} {
		all, err := Select(c.ids, c.programs)
		if err != nil || len(all) != c.n {
			t.Fatalf("%v: %d peers, %v", c.ids, len(all), err)
		}
		for i, id := range c.first {
			if all[i].ID != id || all[i].Ours != (id == "sideloop") {
				t.Errorf("%v: peer %d is %+v, want %s", c.ids, i, all[i], id)
			}
		}
	}
	if _, err := Select([]string{"envoy"}, two); err == nil || !strings.Contains(err.Error(), "nghttpx") {
		t.Fatalf("the error is %v", err)
	}
}

func TestMissingPrograms(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, p := range All() {
		path, missing := p.Find(Programs{Loopbench: "/proc/self/exe", Sideloop: "/nowhere/sideloop"})
		switch p.ID {
		case "relay", "go":
			if path == "" {
				t.Errorf("%s is part of loopbench but missing: %s", p.ID, missing)
			}
		case "sideloop", "sideloop-b", "sideloop-log", "sideloop-null", "mosn":
			if path != "" || missing == "" {
				t.Errorf("%s is at %q, missing: %q", p.ID, path, missing)
			}
		default:
			if (path == "") == (missing == "") {
				t.Errorf("%s is at %q, missing: %q", p.ID, path, missing)
			}
		}
	}
}

// Each proxy's process is told everything by its command line, and leaves
// nothing outside its folder.
func TestCommands(t *testing.T) {
	for _, p := range All() {
		dir := t.TempDir()
		h := Hop{Listen: "127.0.0.1:2045", Target: "127.0.0.1:8080", Down: HTTP2, Up: HTTP2}
		c, err := p.Command("/bin/true", dir, h)
		if err != nil {
			t.Errorf("%s: %v", p.ID, err)
			continue
		}
		line := strings.Join(c.Args, " ")
		written, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if p.template == "" && !strings.Contains(line, h.Listen+" "+h.Target) {
			t.Errorf("%s: %s", p.ID, line)
		}
		if p.template != "" && (len(written) != 1 || !strings.Contains(line, dir+"/"+written[0].Name())) {
			t.Errorf("%s: %s with %v in its folder", p.ID, line, written)
		}
	}
	if _, err := nginx().Command("/bin/true", "/nowhere", Hop{Listen: "127.0.0.1:1", Target: "127.0.0.1:2", Down: HTTP2, Up: HTTP2}); err == nil {
		t.Error("a configuration in a folder that does not exist is no error")
	}
}

func TestVersion(t *testing.T) {
	for script, want := range map[string]string{
		"echo; echo one 1.2; echo two; exit 1":   "one 1.2",
		"echo starting >&2; echo one 1.2":        "one 1.2",
		"echo 'nginx version: nginx/1.22.1' >&2": "nginx version: nginx/1.22.1",
		"true":                                   "",
	} {
		p := &Peer{version: []string{"-c", script}}
		if v := p.Version(t.Context(), "/bin/sh"); v != want {
			t.Errorf("%s: the version is %q", script, v)
		}
	}
}

// startServer runs serve until the test ends.
func startServer(t *testing.T, serve func(context.Context, func(net.Addr)) error) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() { ended <- serve(ctx, func(a net.Addr) { ready <- a }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	select {
	case a := <-ready:
		return a.String()
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
		return ""
	}
}

func startHTTP1Echo(t *testing.T, size int) string {
	return startServer(t, func(ctx context.Context, ready func(net.Addr)) error {
		return ServeHTTP1Echo(ctx, "127.0.0.1:0", size, ready)
	})
}

// startHTTP2Echo is the same over HTTP/2.
func startHTTP2Echo(t *testing.T) string {
	t.Helper()
	return startServer(t, func(ctx context.Context, ready func(net.Addr)) error {
		var plain http.Protocols
		plain.SetUnencryptedHTTP2(true)
		return serve(ctx, "127.0.0.1:0", ready, &http.Server{Protocols: &plain, Handler: http.HandlerFunc(echoHTTP1)})
	})
}

// wantEcho posts n bytes and wants them back.
func wantEcho(t *testing.T, address string, http2 bool, n int) {
	t.Helper()
	body := bench.Content(n)
	if got := post(t, address, http2, body); !bytes.Equal(got, body) {
		t.Errorf("%d bytes come back as %d", n, len(got))
	}
}

func post(t *testing.T, address string, http2 bool, body []byte) []byte {
	t.Helper()
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/x", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r, err := transport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	got, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK || r.ProtoMajor == 2 != http2 {
		t.Fatalf("status %d in %s, %v: %.200s", r.StatusCode, r.Proto, err, got)
	}
	return got
}

func TestHTTP1Echo(t *testing.T) {
	address := startHTTP1Echo(t, 0)
	for _, n := range []int{0, 1, 1 << 10, 4 << 20} {
		wantEcho(t, address, false, n)
	}
	fixed := startHTTP1Echo(t, 100)
	for _, n := range []int{0, 1, 4 << 20} {
		if got := post(t, fixed, false, bench.Content(n)); !bytes.Equal(got, bench.Content(100)) {
			t.Errorf("the reply to %d bytes has %d", n, len(got))
		}
	}
	if err := ServeHTTP1Echo(t.Context(), "127.0.0.1:0", -1, nil); err == nil {
		t.Error("a negative size is no error")
	}
}

func TestReverseProxy(t *testing.T) {
	target := startHTTP2Echo(t)
	address := startServer(t, func(ctx context.Context, ready func(net.Addr)) error {
		return ServeReverseProxy(ctx, "127.0.0.1:0", target, ready)
	})
	for _, n := range []int{0, 1, 1 << 10, 4 << 20} {
		wantEcho(t, address, true, n)
	}
	if err := ServeReverseProxy(t.Context(), "127.0.0.1:0", "nowhere", nil); err == nil {
		t.Error("a target without a port is no error")
	}
	if err := ServeReverseProxy(t.Context(), address, target, nil); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a taken address: %v", err)
	}
}
