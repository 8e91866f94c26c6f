// SPDX-License-Identifier: Apache-2.0

package test

import (
	"errors"
	"os/exec"
	"syscall"
	"testing"
)

// exitCode is what a process has ended with; negative for a signal.
func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit == nil {
		return 0
	}
	return exit.ExitCode()
}

func TestExitCodes(t *testing.T) {
	nobody := freeAddress(t)
	good := writeConfig(t, configOf(echoThrough(t, "127.0.0.1:0")))
	bad := writeConfig(t, "{")
	for _, c := range []struct {
		code int
		args []string
	}{
		{0, []string{"version"}},
		{0, []string{"check", "-c", good}},
		{1, []string{"check", "-c", bad}},
		{1, []string{"start", "-c", bad}},
		{1, []string{"start", "-c", good + ".not"}},
		{1, []string{"wait", "--admin", nobody, "--timeout", "60ms"}},
		{1, []string{"reload", "--admin", nobody}},
		{1, []string{"stop", "--admin", nobody}},
		{1, []string{"upgrade", "--admin", nobody}},
		{1, []string{"upgrade", "--pid", good}},
		{80, []string{"start"}},
		{80, []string{"begin"}},
		{80, []string{"wait", "--timeout", "soon"}},
	} {
		out, err := sideloop(t, c.args...).CombinedOutput()
		if code := exitCode(t, err); code != c.code {
			t.Errorf("%v: %d, want %d: %s", c.args, code, c.code, out)
		}
	}
}

// Whoever is to start after the proxy waits for it from before there is one.
func TestWaitFromBeforeTheStart(t *testing.T) {
	in := echoThrough(t, freeAddress(t))
	admin := freeAddress(t)
	wait := sideloop(t, "wait", "--admin", admin)
	if err := wait.Start(); err != nil {
		t.Fatal(err)
	}
	startProcess(t, admin, "-c", writeConfig(t, withAdmin(configOf(in), admin, "")))
	if err := wait.Wait(); err != nil {
		t.Fatal(err)
	}
	if out := callOnce(in.listen); out != "ok" {
		t.Errorf("it is not ready: %s", out)
	}
}

// A process that was replaced takes the first signal for a hint and the second for
// an order, as any other.
func TestSignalsToAReplacedProcess(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame { <-release; return echoBolt(f) })
	in := hop{name: "in", listen: freeAddress(t), down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}
	l := startLineage(t, configOf(in), "--drain-time", "1h")
	c := dialBolt(t, in.listen)
	ended := begin(c, newBoltRequest(service, []byte("slow")))
	eventually(t, "the request is on its way", func() bool { return up.accepted.Load() > 0 })
	old := l.current()
	now := l.upgrade()
	syscall.Kill(old, syscall.SIGTERM)
	tell(t, "wait", "--admin", l.admin) // the new one is not concerned
	if !alive(old) {
		t.Fatal("the old process has not waited for its request")
	}
	eventually(t, "further signals end it", func() bool {
		syscall.Kill(old, syscall.SIGTERM)
		return !alive(old)
	})
	l.wantGone(old)
	if ended() == "ok" || !alive(now) {
		t.Error("the request was answered, or the new process has ended")
	}
}
