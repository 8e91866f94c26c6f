// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Process is a proxy that was started with --watch and an admin server.
type Process struct {
	// Binary, File and Admin are what it was started with.
	Binary, File, Admin string
	Signal              func(os.Signal) error
}

// Ways is how many ways of reloading there are.
const Ways = 4

// Reload makes the process take another configuration in one of the ways, and
// returns when it is in force.
func (p *Process) Reload(t testing.TB, way int, text string) {
	t.Helper()
	switch way % Ways {
	case 0:
		p.write(t, text)
		if err := p.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	case 1:
		p.write(t, text)
		if out, err := exec.Command(p.Binary, "reload", "--admin", p.Admin).CombinedOutput(); err != nil {
			t.Fatalf("reload: %v: %s", err, out)
		}
	case 2:
		r, err := client.Post("http://"+p.Admin+"/reload", "application/json", strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if b, err := io.ReadAll(r.Body); err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("POST /reload: %s, %v: %s", r.Status, err, b)
		}
		return
	case 3: // which is noticed
		p.write(t, text)
	}
	Until(t, "the configuration is in force", func() bool { return p.source() == text })
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}

// write swaps the file.
func (p *Process) write(t testing.TB, text string) {
	t.Helper()
	if err := os.WriteFile(p.File+".new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(p.File+".new", p.File); err != nil {
		t.Fatal(err)
	}
}

// source is the text in force, empty where the process does not say.
func (p *Process) source() string { return p.Get("/config_dump?source") }

// Get asks the admin server; an empty answer is none.
func (p *Process) Get(path string) string {
	r, err := client.Get("http://" + p.Admin + path)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		return ""
	}
	return string(b)
}
