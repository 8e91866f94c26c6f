// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
)

// route is one path.
type route struct {
	path string
	// get looks and post changes; nil is not allowed.
	get, post http.HandlerFunc
	// probe is answered however busy the server is.
	probe bool
	// patient routes set the time that they may take themselves.
	patient bool
	// help is the line in the list; a route without is not in it.
	help string
}

// router leads requests to routes, once they may be answered.
type router struct {
	routes []route
	byPath map[string]*route
	busy   chan struct{} // a place for each request
	// local servers are asked by their address, and not by a name that some
	// other site may have given it.
	local bool
}

// admin is what the routes work on.
type admin struct {
	Options
	control   server.Control
	metrics   *metrics
	overviews overviews
	local     bool // as the router's
}

func newRouter(o Options, local bool) *router {
	a := &admin{Options: o, control: o.Control, local: local}
	a.metrics = newMetrics(a, config.PrometheusSink{})
	r := &router{local: local}
	r.add(
		route{path: "/ready", get: a.ready, probe: true, help: "200 while requests are taken, 503 once the process drains"},
		route{path: "/live", get: a.live, probe: true, help: "200 while every loop answers within a second, else 503 and their numbers"},
		route{path: "/config_dump", get: a.configDump, help: "the configuration in force, with defaults and without secrets; ?source the text it was read from"},
		route{path: "/clusters", get: a.clusters, help: "hosts, their health, connections and requests; ?format=json"},
		route{path: "/listeners", get: a.listeners, help: "addresses and connections; ?format=json"},
		route{path: "/stats", get: a.stats, help: "counters and latencies as text; ?filter=REGEX, ?format=prometheus"},
		route{path: "/metrics", get: a.metrics.serve, help: "the same for Prometheus; ?hosts=true adds series of hosts"},
		route{path: "/failures", get: a.failures, help: "the latest failed requests of each reason; ?format=json"},
		route{path: "/errors", get: a.errors, help: "the latest message of each protocol that broke it, in hexadecimal; ?values=true with headers and bodies, ?format=json"},
		route{path: "/memory", get: a.memory, help: "bytes by component, as JSON"},
		route{path: "/overview", get: a.overview, help: "everything that the page at / shows, as JSON"},
		route{path: "/version", get: a.version, help: "version, toolchain, process id, start"},
		route{path: "/logging", get: a.logging, post: a.setLogging, help: "log levels; POST ?level=LEVEL[&path=LOG] sets, ?level= ends that"},
		route{path: "/logging/reopen", post: a.reopenLogs, help: "opens the files of all logs again, as SIGUSR1 does"},
		route{path: "/reload", post: a.reload, help: "takes the configuration in the body, or reads the file again when it is empty"},
		route{path: "/upgrade", post: a.upgrade, patient: true, help: "has a new process take over, of the program's file as it is now; ?binary=PATH of another"},
		route{path: "/drain", post: a.drain, help: "refuses new connections and lets the others finish; ?exit=true then ends the process"},
	)
	a.addMOSN(r)
	if local {
		r.profiles()
	}
	addPage(r)
	r.add(
		route{path: "/", get: r.home, help: "a page for browsers; for others this list"},
		route{path: "/help", get: r.index, help: "this list"},
	)
	return r
}

func (r *router) add(routes ...route) {
	if r.byPath == nil {
		r.byPath, r.busy = make(map[string]*route), make(chan struct{}, requestLimit)
	}
	for i := range routes {
		r.byPath[routes[i].path] = &routes[i]
	}
	r.routes = append(r.routes, routes...)
}

// ServeHTTP implements http.Handler.
func (r *router) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	if why := r.refuses(q); why != "" {
		http.Error(w, why, http.StatusForbidden)
		return
	}
	found := r.byPath[q.URL.Path]
	if found == nil {
		http.Error(w, fmt.Sprintf("there is no %q; see /", q.URL.Path), http.StatusNotFound)
		return
	}
	h := found.method(q.Method)
	if h == nil {
		w.Header().Set("Allow", found.allow())
		http.Error(w, fmt.Sprintf("%s takes %s", found.path, found.allow()), http.StatusMethodNotAllowed)
		return
	}
	if !found.probe {
		select {
		case r.busy <- struct{}{}:
			defer func() { <-r.busy }()
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many requests at once", http.StatusServiceUnavailable)
			return
		}
	}
	if !found.patient {
		// An error is of a connection that has no deadlines, as in tests.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(requestTime))
	}
	q.Body = http.MaxBytesReader(w, q.Body, bodyLimit)
	h(w, q)
}

// method is the handler of a method, nil where it is not allowed.
func (r *route) method(name string) http.HandlerFunc {
	switch name {
	case http.MethodGet, http.MethodHead:
		return r.get
	case http.MethodPost:
		return r.post
	}
	return nil
}

func (r *route) allow() string {
	var methods []string
	if r.get != nil {
		methods = append(methods, http.MethodGet, http.MethodHead)
	}
	if r.post != nil {
		methods = append(methods, http.MethodPost)
	}
	return strings.Join(methods, ", ")
}

// refuses says why a request is not to be answered, or "": a browser sends it on
// behalf of another site.
func (r *router) refuses(q *http.Request) string {
	if r.local && !isAddress(q.Host) {
		return fmt.Sprintf("the admin server is asked by its address or as localhost, not as %q", q.Host)
	}
	site := q.Header.Get("Sec-Fetch-Site")
	foreign := site != "" && site != "same-origin" && site != "none"
	if q.Method != http.MethodPost {
		// A link may lead here. What a page embeds or fetches could have the
		// process take profiles.
		if foreign && (q.Header.Get("Sec-Fetch-Mode") != "navigate" || q.Header.Get("Sec-Fetch-Dest") != "document") {
			return "a page of another site may only link here"
		}
		return ""
	}
	if foreign {
		return "a page of another site may not change anything"
	}
	if origin := q.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host != q.Host {
			return "a page of another site may not change anything"
		}
	}
	return ""
}

// isAddress tells an IP address or localhost, with or without a port.
func isAddress(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}

// index lists the routes.
func (r *router) index(w http.ResponseWriter, _ *http.Request) {
	sorted := slices.Clone(r.routes)
	slices.SortFunc(sorted, func(a, b route) int { return strings.Compare(a.path, b.path) })
	for i := range sorted {
		if sorted[i].help == "" {
			continue
		}
		fmt.Fprintf(w, "%-28s %-16s %s\n", sorted[i].path, sorted[i].allow(), sorted[i].help)
	}
}
