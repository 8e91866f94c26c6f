// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// logging lists the logs with what was set for each.
func (a *admin) logging(w http.ResponseWriter, _ *http.Request) {
	levels := a.control.LogLevels()
	for _, path := range slices.Sorted(maps.Keys(levels)) {
		level := levels[path]
		if level == "" {
			level = "as configured"
		}
		fmt.Fprintf(w, "%s: %s\n", path, level)
	}
}

func (a *admin) setLogging(w http.ResponseWriter, q *http.Request) {
	query := q.URL.Query()
	if !query.Has("level") {
		http.Error(w, "level is missing", http.StatusBadRequest)
		return
	}
	if err := a.control.SetLogLevel(query.Get("path"), query.Get("level")); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.logging(w, q)
}

// reopenLogs is for logrotate.
func (a *admin) reopenLogs(w http.ResponseWriter, _ *http.Request) {
	if err := a.control.ReopenLogs(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, "opened again")
}
