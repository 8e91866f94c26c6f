// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
	"github.com/sideloop/sideloop/stats"
)

// reload takes another configuration and wants these changes, in words.
func (p *proxy) reload(text string, want ...string) {
	p.t.Helper()
	changes, err := p.tryReload(text)
	if err != nil {
		p.t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, c.String())
	}
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		p.t.Fatalf("changes %q; want %q", got, want)
	}
}

func (p *proxy) tryReload(text string) (server.Changes, error) {
	p.t.Helper()
	c, problems := config.Parse("test.json", []byte(text))
	if problems.FailCheck() {
		p.t.Fatalf("the test's configuration is wrong: %v", problems)
	}
	return p.Reload(c)
}

// named is a Bolt service that says its name.
func named(t *testing.T, name string) string {
	return startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		f.content = []byte(name)
		return []boltFrame{f.reply()}
	}).address()
}

func wantFrom(t *testing.T, c *boltClient, name string) {
	t.Helper()
	if r := c.mustCall(t, newBoltRequest(service, nil)); string(r.content) != name {
		t.Fatalf("answered by %q, status %d; want %q", r.content, r.status, name)
	}
}

// A reload changes where requests go, and closes no connection: neither those of
// clients nor those to hosts that are still there.
func TestReloadKeepsConnections(t *testing.T) {
	red, blue := named(t, "red"), named(t, "blue")
	in := hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{red}}
	other := hop{name: "other", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{red}}
	p := startProxy(t, configOf(in, other))
	c, d := dialBolt(t, p.address("in")), dialBolt(t, p.address("other"))
	wantFrom(t, c, "red")
	wantFrom(t, d, "red")
	in.hosts = []string{blue}
	p.reload(configOf(in, other), fmt.Sprintf("cluster %q changed: hosts +%s -%s", "in", blue, red))
	wantFrom(t, c, "blue")
	wantFrom(t, d, "red")
	p.reload(configOf(in, other))
	b := p.stats()
	if n := b.Get(stats.DownstreamConnectionsClosed); n != 0 {
		t.Errorf("%d connections of clients were closed", n)
	}
	if n := b.Get(stats.UpstreamConnections); n != 3 {
		t.Errorf("%d connections to hosts were made; want 3", n)
	}
}

// Listeners come and go; one whose filter chain changes drains its connections
// and keeps its socket.
func TestReloadOfListeners(t *testing.T) {
	host := named(t, "host")
	h2 := startH2Service(t, "127.0.0.1:0", echoH2)
	gone := hop{name: "gone", listen: freeAddress(t), down: "SofaRpc", up: "SofaRpc", hosts: []string{host}}
	changed := hop{name: "changed", listen: freeAddress(t), down: "Http2", up: "Http2", hosts: []string{h2.address()}, match: anyRequest}
	p := startProxy(t, configOf(gone, changed))
	c := dialBolt(t, gone.listen)
	wantFrom(t, c, "host")
	f := dialFrames(t, changed.listen)
	f.ask(1, true)
	f.wantHeaders()

	fresh := gone
	fresh.name, fresh.listen = "fresh", freeAddress(t)
	changed.up, changed.hosts = "SofaRpc", []string{host}
	if _, err := p.tryReload(configOf(fresh, changed)); err != nil {
		t.Fatal(err)
	}
	wantFrom(t, dialBolt(t, fresh.listen), "host")
	<-c.done
	if c, err := net.Dial("tcp", gone.listen); err == nil {
		c.Close()
		t.Error("the listener that is gone accepts connections")
	}
	for {
		if _, ok := f.next().(*http2.GoAwayFrame); ok {
			break
		}
	}
	n, err := net.Dial("tcp", changed.listen)
	if err != nil {
		t.Fatal(err)
	}
	n.Close()
}

// A configuration that cannot be had changes nothing.
func TestReloadAllOrNothing(t *testing.T) {
	red, blue := named(t, "red"), named(t, "blue")
	in := hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{red}}
	p := startProxy(t, configOf(in))
	c := dialBolt(t, p.address("in"))
	wantFrom(t, c, "red")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	first := hop{name: "first", listen: freeAddress(t), down: "SofaRpc", up: "SofaRpc", hosts: []string{blue}}
	second := first
	second.name, second.listen = "second", taken.Addr().String()
	in.hosts = []string{blue}
	if _, err := p.tryReload(configOf(in, first, second)); err == nil || !strings.Contains(err.Error(), `listener "second"`) {
		t.Fatalf("error %v; want one that names the listener", err)
	}
	wantFrom(t, c, "red")
	if c, err := net.Dial("tcp", first.listen); err == nil {
		c.Close()
		t.Error("a listener of the refused configuration accepts connections")
	}
	p.reload(configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{red}}))
}

// What a connection of a listener that is gone still carries is given
// graceful_timeout.
func TestReloadExpelsWhatStays(t *testing.T) {
	l := listenScript(t)
	in := hop{name: "in", listen: freeAddress(t), down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, match: anyRequest}
	short := func(text string) string {
		return strings.Replace(text, `"default_log_path"`, `"graceful_timeout": "20ms", "default_log_path"`, 1)
	}
	p := startProxy(t, short(configOf(in)))
	c := dialFrames(t, in.listen)
	c.ask(1, true)
	up := acceptFrames(t, l)
	up.wantHeaders() // and no answer
	in.listen = freeAddress(t)
	if _, err := p.tryReload(short(configOf(in))); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, c.conn)
}

// Reloads under load lose no request and no connection.
func TestReloadUnderLoad(t *testing.T) {
	bolt, h2 := startBoltService(t, "127.0.0.1:0", echoBolt), startH2Service(t, "127.0.0.1:0", echoH2)
	bolt2, h22 := startBoltService(t, "127.0.0.1:0", echoBolt), startH2Service(t, "127.0.0.1:0", echoH2)
	shape := func(i int) string {
		b := hop{name: "b", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{bolt.address(), bolt2.address()}[i%2 : i%2+1]}
		h := hop{name: "h", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{h2.address(), h22.address()}[:1+i%2], match: anyRequest}
		return configOf(b, h)
	}
	p := startProxy(t, shape(0))
	addresses := map[string]string{"SofaRpc": p.address("b"), "Http2": p.address("h")}
	calls, reloads := scale(2000), scale(4)
	var done atomic.Int64
	var wg sync.WaitGroup
	var seen [2]outcomes
	for i, protocol := range []string{"SofaRpc", "Http2"} {
		wg.Go(func() { callMany(t, protocol, addresses[protocol], calls, &seen[i], &done) })
	}
	var conns uint64
	for i := range reloads {
		reaches(t, "calls go on", &done, int64(2*calls*(i+1)/(reloads+1)))
		if i == 0 {
			conns = p.stats().Get(stats.DownstreamConnections)
		}
		if _, err := p.tryReload(shape(i + 1)); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	for i := range seen {
		if seen[i].counts["ok"] != calls {
			t.Errorf("%v", seen[i].counts)
		}
	}
	if n := p.stats().Get(stats.DownstreamConnections); n != conns {
		t.Errorf("clients had to make %d connections anew", n-conns)
	}
}

func TestReloadBySignal(t *testing.T) {
	red, blue := named(t, "red"), named(t, "blue")
	in := hop{name: "in", listen: freeAddress(t), down: "SofaRpc", up: "SofaRpc", hosts: []string{red}}
	file := writeConfig(t, configOf(in))
	cmd, out := startCommand(t, file, in.listen)
	c := dialBolt(t, in.listen)
	wantFrom(t, c, "red")
	signal := func(text string, want string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the proxy says "+want, func() bool { return strings.Contains(out.String(), want) })
	}
	signal(`{"servers": [{"listeners": 5}]}`, "reload: nothing was changed")
	wantFrom(t, c, "red")
	in.hosts = []string{blue}
	signal(configOf(in), "hosts +"+blue+" -"+red)
	wantFrom(t, c, "blue")
}
