// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"
)

// profileLimit is the longest profile, in seconds.
const profileLimit = 300

// profiles adds Go's profiles.
func (r *router) profiles() {
	r.add(
		route{path: "/debug/pprof/", get: pprof.Index, help: "Go's profiles"},
		route{path: "/debug/pprof/cmdline", get: pprof.Cmdline, help: "the command line"},
		route{path: "/debug/pprof/symbol", get: pprof.Symbol, help: "names of addresses"},
		route{path: "/debug/pprof/profile", get: timed(pprof.Profile), patient: true, help: "CPU; ?seconds=30"},
		route{path: "/debug/pprof/trace", get: timed(pprof.Trace), patient: true, help: "execution trace; ?seconds=1"},
	)
	for _, name := range []string{"goroutine", "heap", "allocs", "threadcreate", "block", "mutex"} {
		r.add(route{path: "/debug/pprof/" + name, get: timed(pprof.Handler(name).ServeHTTP), patient: true, help: "profile " + name})
	}
}

// timed allows a profile the seconds that it was asked for.
func timed(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		seconds := 30.0
		if text := q.FormValue("seconds"); text != "" {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil || !(n > 0 && n <= profileLimit) {
				http.Error(w, "seconds must be from 0 to 300", http.StatusBadRequest)
				return
			}
			seconds = n
		}
		// An error is of a connection that has no deadlines, as in tests.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(requestTime + time.Duration(seconds*float64(time.Second))))
		h(w, q)
	}
}
