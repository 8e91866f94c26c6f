// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"embed"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// assets are the page at / and what it loads. There is nothing else that it
// asks for but the routes of the admin server.
//
//go:embed dashboard
var assets embed.FS

// pagePolicy lets the page load what comes from the admin server, run no script
// and use no style that stands in the document, and be framed by nobody.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// contentTypes are those of the assets, whatever the machine's own tables say.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// addPage adds the files that the page loads.
func addPage(r *router) {
	files, err := fs.ReadDir(assets, "dashboard")
	if err != nil {
		panic(err) // not reached: the folder is part of the program
	}
	for _, f := range files {
		if f.Name() != "index.html" {
			r.add(route{path: "/dashboard/" + f.Name(), get: asset(f.Name())})
		}
	}
}

// asset answers with one file.
func asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		text, err := assets.ReadFile("dashboard/" + name)
		if err != nil {
			http.NotFound(w, q)
			return
		}
		h := w.Header()
		h.Set("Content-Type", contentTypes[path.Ext(name)])
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		http.ServeContent(w, q, name, time.Time{}, bytes.NewReader(text))
	}
}

// home is the page for browsers and the list of routes for others.
func (r *router) home(w http.ResponseWriter, q *http.Request) {
	w.Header().Set("Vary", "Accept")
	if strings.Contains(q.Header.Get("Accept"), "text/html") {
		asset("index.html")(w, q)
		return
	}
	r.index(w, q)
}
