// SPDX-License-Identifier: Apache-2.0

package test

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// script is an executable file.
func script(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// Whatever is wrong with the new process, the old one goes on as if nothing had
// been.
func TestUpgradesThatFail(t *testing.T) {
	bolt := echoThrough(t, freeAddress(t))
	text := configOf(bolt)
	l := startLineage(t, text, "--upgrade-time", "2s")
	c := dialBolt(t, bolt.listen)
	wantServed := func() {
		t.Helper()
		f := newBoltRequest(service, []byte("x"))
		wantBoltEcho(t, f, c.mustCall(t, f))
		if out := callOnce(bolt.listen); out != "ok" {
			t.Errorf("a new connection: %s", out)
		}
		eventually(t, "the failed process is gone", func() bool { return children(t, l.current()) == "" })
	}
	wantServed()
	before := l.idleDescriptors()
	for name, tt := range map[string]struct{ program, reason string }{
		"there is none":          {"/nonexistent/sideloop", "no such file"},
		"it is no program":       {l.config, "permission denied"},
		"it ends with an error":  {script(t, "#!/bin/sh\nexit 3\n"), "exit status 3"},
		"it ends without one":    {script(t, "#!/bin/sh\nexit 0\n"), "ended by itself"},
		"it does nothing":        {script(t, "#!/bin/sh\nexec sleep 60\n"), "was not ready within 2s"},
		"it says something else": {script(t, "#!/bin/sh\necho nonsense nonsense nonsense >&3\nexec sleep 60\n"), "a message of"},
	} {
		t.Run(name, func(t *testing.T) {
			l.wantNoUpgrade(tt.reason, "--binary", tt.program)
			wantServed()
		})
	}
	for name, tt := range map[string]struct{ config, reason string }{
		"its configuration is no JSON":  {"{", "error"},
		"its configuration is wrong":    {strings.Replace(text, `"SofaRpc"`, `"SofaRcp"`, 1), `did you mean "SofaRpc"?`},
		"a further address is taken":    {configOf(bolt, hop{name: "more", listen: bolt.hosts[0], down: "SofaRpc", up: "SofaRpc", hosts: bolt.hosts}), "in use"},
		"its log file cannot be opened": {strings.Replace(text, `"stderr"`, `"/dev/null/log"`, 1), "log file"},
	} {
		t.Run(name, func(t *testing.T) {
			l.rewrite(tt.config)
			defer l.rewrite(text)
			l.wantNoUpgrade(tt.reason)
			wantServed()
		})
	}
	if now := l.idleDescriptors(); now != before {
		t.Errorf("%d descriptors after failed upgrades, %d before", now, before)
	}
	l.upgrade()
}

// While one upgrade is under way there is no other, and no reload; a signal to end
// ends it as well.
func TestUpgradeExcludes(t *testing.T) {
	bolt := echoThrough(t, freeAddress(t))
	l := startLineage(t, configOf(bolt), "--upgrade-time", "1h")
	old := l.current()
	hung := sideloopCommand(t, "upgrade", "--admin", l.admin, "--binary", script(t, "#!/bin/sh\nexec sleep 60\n"))
	if err := hung.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new process has started", func() bool { return children(t, old) != "" })
	child, _ := strconv.Atoi(children(t, old))
	l.wantNoUpgrade("an upgrade is in progress")
	out, err := sideloopCommand(t, "reload", "--admin", l.admin).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "an upgrade is in progress") {
		t.Errorf("reload: %v: %s", err, out)
	}
	syscall.Kill(old, syscall.SIGTERM)
	l.wantGone(old)
	if err := hung.Wait(); err == nil {
		t.Error("the command succeeds though its process has ended")
	}
	if alive(child) {
		t.Error("the new process has outlived the old one")
	}
}

func TestUpgradeOfADrainingProcess(t *testing.T) {
	l := startLineage(t, configOf(echoThrough(t, freeAddress(t))))
	out, err := adminClient.Post("http://"+l.admin+"/drain", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	out.Body.Close()
	eventually(t, "it drains", func() bool {
		r, err := adminClient.Get("http://" + l.admin + "/ready")
		if err != nil {
			return false
		}
		r.Body.Close()
		return r.StatusCode == http.StatusServiceUnavailable
	})
	l.wantNoUpgrade("shutting down")
}
