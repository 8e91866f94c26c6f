// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"fmt"
	"net/http"
	"strconv"
)

// ready: the server is asked only after the listeners are bound and the
// configuration is in force.
func (a *admin) ready(w http.ResponseWriter, _ *http.Request) {
	if a.control.Draining() {
		http.Error(w, "draining", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

func (a *admin) live(w http.ResponseWriter, _ *http.Request) {
	if stuck := a.control.Sample().Stuck(); len(stuck) > 0 {
		http.Error(w, fmt.Sprintf("loops that do not answer: %v", stuck), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "live")
}

// drain answers at once; /ready tells that it has begun, /listeners what is left.
func (a *admin) drain(w http.ResponseWriter, q *http.Request) {
	if flag(q, "exit") {
		// The process may end before this returns: the answer goes first.
		const answer = "draining; the process ends after it\n"
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		fmt.Fprint(w, answer)
		_ = http.NewResponseController(w).Flush() // an error is the client's, who has left
		a.Stop()
		return
	}
	a.Drain()
	fmt.Fprintln(w, "draining")
}

// flag tells whether a parameter is given, other than as false or 0.
func flag(q *http.Request, name string) bool {
	values, given := q.URL.Query()[name]
	return given && values[0] != "false" && values[0] != "0"
}
