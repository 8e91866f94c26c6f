// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/server"
)

func (a *admin) configDump(w http.ResponseWriter, q *http.Request) {
	if flag(q, "source") {
		a.source(w)
		return
	}
	a.dump(w, a.control.Config())
}

func (a *admin) source(w http.ResponseWriter) {
	if a.File == nil {
		http.Error(w, "the configuration was not read from a file", http.StatusNotFound)
		return
	}
	name, data := a.File.Source()
	text, err := config.Redact(name, data)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write(text)
}

// dump answers with part of the configuration.
func (a *admin) dump(w http.ResponseWriter, part any) {
	text, err := config.Dump(part)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(append(text, '\n'))
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // an error is the client's, who has left
}

// reload takes the configuration in the body, YAML by its content type, or reads
// the file again.
func (a *admin) reload(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		http.Error(w, err.Error(), status)
		return
	}
	if a.File == nil {
		http.Error(w, "the configuration was not read from a file", http.StatusNotFound)
		return
	}
	name := "body.json"
	if strings.Contains(q.Header.Get("Content-Type"), "yaml") {
		name = "body.yaml"
	}
	var changes server.Changes
	var problems config.Problems
	if len(body) == 0 {
		changes, problems, err = a.File.Reload()
	} else {
		changes, problems, err = a.File.Take(name, body)
	}
	answerReload(w, changes, problems, err)
}

// answerReload lists the problems, and then what was changed or why nothing was.
func answerReload(w http.ResponseWriter, changes server.Changes, problems config.Problems, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	switch {
	case err == nil:
	case errors.Is(err, server.ErrConfig):
		w.WriteHeader(http.StatusBadRequest)
	case errors.As(err, new(*os.PathError)):
		w.WriteHeader(http.StatusInternalServerError)
	default:
		w.WriteHeader(http.StatusConflict)
	}
	for _, p := range problems {
		fmt.Fprintln(w, p)
	}
	if err != nil {
		fmt.Fprintf(w, "nothing was changed: %v\n", err)
		return
	}
	fmt.Fprintf(w, "%d changes\n", len(changes))
	for _, c := range changes {
		fmt.Fprintln(w, c)
	}
}
