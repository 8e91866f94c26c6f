// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// routed is a configuration with the listeners "h2" and "bolt", to and from which
// no protocol is converted, "h2bolt" and "bolth2", which do convert. All use one
// router, whose virtual hosts are given, as are the clusters with their hosts.
func routed(router string, clusters ...string) string {
	var listeners []string
	for _, l := range []struct{ name, down, up string }{{"h2", "Http2", "Http2"}, {"bolt", "bolt", "bolt"}, {"h2bolt", "Http2", "bolt"}, {"bolth2", "bolt", "Http2"}} {
		listeners = append(listeners, fmt.Sprintf(`{"name": %q, "address": "127.0.0.1:0", "bind_port": true, "filter_chains": [{"filters": [
 {"type": "proxy", "config": {"downstream_protocol": %q, "upstream_protocol": %q, "router_config_name": "r"}}]}]}`, l.name, l.down, l.up))
	}
	return fmt.Sprintf(`{"servers": [{"default_log_path": "stderr", "default_log_level": "ERROR", "listeners": [%s],
 "routers": [{"router_config_name": "r", %s}]}], "cluster_manager": {"clusters": [%s]}}`,
		strings.Join(listeners, ","), router, strings.Join(clusters, ","))
}

// routes is the router with one virtual host.
func routes(list ...string) string {
	return `"virtual_hosts": [{"name": "all", "domains": ["*"], "routers": [` + strings.Join(list, ",") + `]}]`
}

func clusterOf(name string, hosts ...string) string {
	var list []string
	for _, h := range hosts {
		list = append(list, fmt.Sprintf(`{"address": %q}`, h))
	}
	return fmt.Sprintf(`{"name": %q, "hosts": [%s]}`, name, strings.Join(list, ","))
}

// namedH2 is a service that answers with its name and says what it was asked.
func namedH2(t testing.TB, name string) *h2Service {
	return startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		for k, v := range r.Header {
			w.Header()["X-Echo-"+k] = v
		}
		w.Header().Set("x-name", name)
		w.Header().Set("x-uri", r.URL.RequestURI())
		w.Header().Set("x-host", r.Host)
		io.Copy(w, r.Body)
	})
}

// namedBolt does the same over Bolt: it echoes, and adds its name.
func namedBolt(t testing.TB, name string) *boltService {
	return startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		r := f.reply()
		r.pairs = append(append([]pair{}, f.pairs...), pair{[]byte("x-name"), []byte(name)})
		return []boltFrame{r}
	})
}

// ask is one request of HTTP/2. Redirects are not followed.
func (p *proxy) ask(listener, method, path, body string, headers ...string) (*http.Response, string) {
	p.t.Helper()
	c := newH2Client(p.t)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := http.NewRequest(method, "http://"+p.address(listener)+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "host" {
			r.Host = headers[i+1]
		} else {
			r.Header.Add(headers[i], headers[i+1])
		}
	}
	reply, err := c.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return reply, string(text)
}

// call is one request of Bolt with further pairs of the header map.
func (p *proxy) call(listener string, pairs ...string) boltFrame {
	p.t.Helper()
	c := dialBolt(p.t, p.address(listener))
	f := newBoltRequest(service, []byte("content"))
	for i := 0; i+1 < len(pairs); i += 2 {
		f.pairs = append(f.pairs, pair{[]byte(pairs[i]), []byte(pairs[i+1])})
	}
	return c.mustCall(p.t, f)
}

// values are all values under a key of a frame's header map.
func (f *boltFrame) values(key string) []string {
	var list []string
	for _, p := range f.pairs {
		if string(p.key) == key {
			list = append(list, string(p.value))
		}
	}
	return list
}
