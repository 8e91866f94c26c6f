// SPDX-License-Identifier: Apache-2.0

//go:build browser && !race

package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sideloop/sideloop/admin"
	"github.com/sideloop/sideloop/bench"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/server"
)

// waitLimit bounds how long a condition may take to become true.
const waitLimit = 30 * time.Second

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitLimit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", waitLimit, what)
		}
	}
}

// world is a proxy with its admin server.
type world struct {
	t     *testing.T
	proxy *server.Server
	file  *server.File
	admin *admin.Server
	at    string // of the admin server
}

// listen is one listener with the cluster of its name.
type listen struct {
	name, down, up string
	hosts          []string
	timeout        string
	more           string // members of the cluster, each beginning with a comma
}

// some routes: of HTTP/2 what is below /shop/, of Bolt every service.
const some = `{"match": {"prefix": "/shop/"}, "route": {"cluster_name": %q, "timeout": %q}},
 {"match": {"headers": [{"name": "service", "value": ".*"}]}, "route": {"cluster_name": %q, "timeout": %q}}`

func configOf(all []listen, clusters ...string) string {
	var listeners []string
	for _, l := range all {
		if l.timeout == "" {
			l.timeout = "10s"
		}
		routes := fmt.Sprintf(some, l.name, l.timeout, l.name, l.timeout)
		listeners = append(listeners, fmt.Sprintf(`{"name": %q, "address": "127.0.0.1:0", "bind_port": true, "filter_chains": [{"filters": [
 {"type": "proxy", "config": {"downstream_protocol": %q, "upstream_protocol": %q, "router_config_name": %q}},
 {"type": "connection_manager", "config": {"router_config_name": %q, "virtual_hosts": [{"name": "all", "domains": ["*"], "routers": [%s]}]}}]}]}`,
			l.name, l.down, l.up, l.name, l.name, routes))
		clusters = append(clusters, clusterOf(l.name, l.more, l.hosts...))
	}
	return fmt.Sprintf(`{"servers": [{"default_log_path": "stderr", "default_log_level": "FATAL", "listeners": [%s]}], "cluster_manager": {"clusters": [%s]}}`,
		strings.Join(listeners, ","), strings.Join(clusters, ","))
}

func clusterOf(name, more string, hosts ...string) string {
	var list []string
	for _, h := range hosts {
		list = append(list, fmt.Sprintf(`{"address": %q}`, h))
	}
	return fmt.Sprintf(`{"name": %q, "type": "SIMPLE", "lb_type": "LB_ROUNDROBIN"%s, "hosts": [%s]}`, name, more, strings.Join(list, ","))
}

func start(t *testing.T, text string) *world {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, c, problems, err := server.OpenFile(path)
	if err != nil || problems.FailCheck() {
		t.Fatal(problems, err)
	}
	w := &world{t: t, file: file}
	if w.proxy, err = server.Start(c, server.Options{Concurrency: 2}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitLimit)
		defer cancel()
		if err := w.proxy.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	file.Serve(w.proxy)
	w.serve("127.0.0.1:0")
	t.Cleanup(func() { w.admin.Close() })
	return w
}

// serve runs the admin server at an address.
func (w *world) serve(address string) {
	w.t.Helper()
	a, err := admin.Listen(address)
	if err != nil {
		w.t.Fatal(err)
	}
	a.Serve(admin.Options{
		Control: w.proxy, File: w.file, Version: "1.2.3", Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Drain: func() {}, Stop: func() {},
	})
	w.admin, w.at = a, a.Addr().String()
}

// overview is what the tests look at in /overview.
type overview struct {
	At       float64           `json:"at"`
	Counters map[string]uint64 `json:"counters"`
	Failures map[string]uint64 `json:"failures"`
	Process  struct {
		Generation uint64 `json:"config_generation"`
	} `json:"process"`
	Listeners []struct {
		Name     string `json:"name"`
		Address  string `json:"address"`
		Requests uint64 `json:"requests"`
		Active   uint64 `json:"requests_active"`
	} `json:"listeners"`
	Clusters []struct {
		Name  string `json:"name"`
		Hosts []struct {
			Address string `json:"address"`
			Tries   uint64 `json:"tries"`
		} `json:"hosts"`
	} `json:"clusters"`
	Recent []struct {
		Reason  string `json:"reason"`
		Request string `json:"request"`
	} `json:"recent_failures"`
}

func (w *world) overview() (o overview) {
	w.t.Helper()
	r, err := http.Get("http://" + w.at + "/overview")
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		w.t.Fatal(err)
	}
	return o
}

// service runs an echo service.
func service(t *testing.T, s bench.Service) string {
	t.Helper()
	reactor, err := eventloop.Start(eventloop.Options{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	e, err := bench.Serve(reactor, "127.0.0.1:0", s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.Close()
		if err := reactor.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e.Addr().String()
}

// unused is an address that nobody listens on.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// load is clients that call until it is stopped, each a few hundred times a
// second at most, so that the browser has a CPU, too.
type load struct {
	w      *world
	ctx    context.Context
	cancel func()
	done   sync.WaitGroup
	client http.Client
}

func (w *world) load() *load {
	l := &load{w: w}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	l.client.Transport = &http.Transport{Protocols: p}
	w.t.Cleanup(l.stop)
	return l
}

func (l *load) stop() {
	l.cancel()
	l.done.Wait()
	l.client.CloseIdleConnections()
}

// every calls f again and again with a pause.
func (l *load) every(pause time.Duration, f func()) {
	l.done.Go(func() {
		for l.ctx.Err() == nil {
			f()
			select {
			case <-l.ctx.Done():
			case <-time.After(pause):
			}
		}
	})
}

func (l *load) bolt(listener string, pause time.Duration, names ...string) {
	c, err := net.Dial("tcp", l.w.proxy.Addr(listener).String())
	if err != nil {
		l.w.t.Fatal(err)
	}
	l.w.t.Cleanup(func() { c.Close() })
	n := 0
	l.every(pause, func() {
		name := names[n%len(names)]
		n++
		ctx, cancel := context.WithTimeout(l.ctx, waitLimit)
		defer cancel()
		_, err := bench.CallBolt(ctx, c, bench.BoltRequest(name, 3*time.Second), bench.Content(200+n%2000))
		if err != nil && l.ctx.Err() == nil {
			l.w.t.Errorf("bolt: %v", err)
			l.cancel()
		}
	})
}

func (l *load) http2(listener string, pause time.Duration, paths ...string) {
	address := l.w.proxy.Addr(listener).String()
	n := 0
	l.every(pause, func() {
		path := paths[n%len(paths)]
		n++
		q, _ := http.NewRequestWithContext(l.ctx, "GET", "http://"+address+path, nil)
		r, err := l.client.Do(q)
		if err != nil {
			return // at the end
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
	})
}
