// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/sideloop/sideloop/config"
)

// States of /api/v1/states, of which this process has two while it answers.
const (
	mosnRunning  = 6
	mosnDraining = 7
)

// addMOSN adds the paths that MOSN's tools ask for.
func (a *admin) addMOSN(r *router) {
	r.add(
		route{path: "/api/v1/version", get: a.mosnVersion, help: "MOSN's version"},
		route{path: "/api/v1/config_dump", get: a.mosnConfigDump, help: "MOSN's: ?mosnconfig, ?allrouters, ?allclusters, ?alllisteners, ?router=, ?cluster=, ?listener= NAME"},
		route{path: "/api/v1/stats", get: a.stats, help: "MOSN's name of /stats"},
		route{path: "/api/v1/states", get: a.mosnStates, help: "MOSN's process id and state: 6 runs, 7 drains"},
		route{path: "/api/v1/get_loglevel", get: a.logging, help: "MOSN's name of /logging"},
		route{path: "/api/v1/update_loglevel", post: a.mosnLogLevel, help: `MOSN's: {"log_level": LEVEL, "log_path": LOG}`},
	)
}

func (a *admin) version(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{
		"version": a.Version, "go": runtime.Version(), "pid": os.Getpid(),
		"started": a.control.Began().UTC().Format(time.RFC3339),
	})
}

func (a *admin) mosnVersion(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, "sideloop version: %s\n", a.Version)
}

func (a *admin) mosnStates(w http.ResponseWriter, _ *http.Request) {
	state := mosnRunning
	if a.control.Draining() {
		state = mosnDraining
	}
	fmt.Fprintf(w, "pid=%d&state=%d\n", os.Getpid(), state)
}

// mosnConfigDump takes one parameter at most.
func (a *admin) mosnConfigDump(w http.ResponseWriter, q *http.Request) {
	c := a.control.Config()
	query := q.URL.Query()
	if len(query) > 1 {
		http.Error(w, "one parameter at a time", http.StatusBadRequest)
		return
	}
	switch {
	case len(query) == 0 || query.Has("mosnconfig"):
		a.dump(w, c)
	case query.Has("allrouters"):
		a.dump(w, c.Server.Routers)
	case query.Has("allclusters"):
		a.dump(w, c.Clusters)
	case query.Has("alllisteners"):
		a.dump(w, c.Server.Listeners)
	case query.Has("router"):
		dumpOne(a, w, c.Server.Routers, query.Get("router"), func(r *config.Router) string { return r.Name })
	case query.Has("cluster"):
		dumpOne(a, w, c.Clusters, query.Get("cluster"), func(c *config.Cluster) string { return c.Name })
	case query.Has("listener"):
		dumpOne(a, w, c.Server.Listeners, query.Get("listener"), func(l *config.Listener) string { return l.Name })
	default:
		http.Error(w, "unknown parameter; see /", http.StatusBadRequest)
	}
}

func dumpOne[T any](a *admin, w http.ResponseWriter, list []T, name string, nameOf func(*T) string) {
	for i := range list {
		if nameOf(&list[i]) == name {
			a.dump(w, list[i])
			return
		}
	}
	http.Error(w, fmt.Sprintf("there is no %q", name), http.StatusNotFound)
}

// mosnLogLevel sets the level of one log, or of all where none is named.
func (a *admin) mosnLogLevel(w http.ResponseWriter, q *http.Request) {
	var asked struct {
		Level string `json:"log_level"`
		Path  string `json:"log_path"`
	}
	if err := json.NewDecoder(q.Body).Decode(&asked); err != nil || asked.Level == "" {
		http.Error(w, `expected {"log_level": LEVEL, "log_path": LOG}`, http.StatusBadRequest)
		return
	}
	if err := a.control.SetLogLevel(asked.Path, asked.Level); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, "update logger success")
}
