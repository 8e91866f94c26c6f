// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// withAdmin adds an admin server and a pid file to a configuration.
func withAdmin(text, address, pid string) string {
	_, port, _ := net.SplitHostPort(address)
	return strings.Replace(text, `{"servers"`, fmt.Sprintf(`{"admin": {"address": {"socket_address": {"port_value": %s}}}, "pid": %q, "servers"`, port, pid), 1)
}

// tell runs a command against a running process.
func tell(t *testing.T, args ...string) string {
	t.Helper()
	out, err := sideloop(t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("sideloop %v: %v: %s", args, err, out)
	}
	return string(out)
}

func TestCommandsByAdminAndByPid(t *testing.T) {
	red, blue := named(t, "red"), named(t, "blue")
	in := hop{name: "in", listen: freeAddress(t), down: "SofaRpc", up: "SofaRpc", hosts: []string{red}}
	address, pid := freeAddress(t), filepath.Join(t.TempDir(), "pid")
	text := withAdmin(configOf(in), address, pid)
	file := writeConfig(t, text)
	for _, by := range [][]string{{"--admin", address}, {"--pid", pid}, {"-c", file}} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd, out := startCommand(t, file, in.listen)
		tell(t, "wait", "--admin", address)
		c := dialBolt(t, in.listen)
		wantFrom(t, c, "red")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, red, blue)), 0o644); err != nil {
			t.Fatal(err)
		}
		said := tell(t, append([]string{"reload"}, by...)...)
		if by[0] == "--pid" {
			eventually(t, "the process says what changed", func() bool { return strings.Contains(out.String(), "reload: cluster") })
		} else if !strings.Contains(said, `cluster "in" changed`) {
			t.Errorf("reload %v says %q", by, said)
		}
		wantFrom(t, c, "blue")
		tell(t, append([]string{"stop"}, by...)...)
		if err := cmd.Wait(); err != nil {
			t.Errorf("stop %v: %v: %s", by, err, out)
		}
	}
	for _, args := range [][]string{
		{"reload"}, {"stop", "--pid", file}, {"stop", "--pid", file + ".not"}, {"reload", "--admin", address},
		{"wait", "--admin", address, "--timeout", "60ms"}, {"wait", "--pid", pid}, {"reload", "-c", file + ".not"},
	} {
		if out, err := sideloop(t, args...).CombinedOutput(); err == nil {
			t.Errorf("sideloop %v succeeds: %s", args, out)
		}
	}
}

// A reload with errors fails the command, which shows them.
func TestReloadCommandShowsProblems(t *testing.T) {
	in := echoThrough(t, freeAddress(t))
	address := freeAddress(t)
	file := writeConfig(t, withAdmin(configOf(in), address, ""))
	startCommand(t, file, in.listen)
	if err := os.WriteFile(file, []byte("{\n\"servers\": 5}"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := sideloop(t, "reload", "--admin", address).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "config.json:2:12: error: servers") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAdminPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	text := withAdmin(configOf(echoThrough(t, "127.0.0.1:0")), l.Addr().String(), "")
	out, err := sideloop(t, "start", "-c", writeConfig(t, text)).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "admin: ") || strings.Contains(string(out), "msg=listening") {
		t.Errorf("%v: %s", err, out)
	}
}

// hanging is a proxy with a request that is never answered, and its client.
func hanging(t *testing.T, flags ...string) (p *process, c *framePeer) {
	t.Helper()
	l := listenScript(t)
	in := hop{name: "in", listen: freeAddress(t), down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}, match: anyRequest}
	admin := freeAddress(t)
	p = startProcess(t, admin, append([]string{"-c", writeConfig(t, strings.Replace(withAdmin(configOf(in), admin, ""), `"ERROR"`, `"WARN"`, 1))}, flags...)...)
	if p.status("/ready") != 200 { // answered once the listener is bound
		t.Fatal("the process is not ready")
	}
	c = dialFrames(t, in.listen)
	c.ask(1, true)
	up := acceptFrames(t, l)
	up.wantHeaders()
	return p, c
}

// The first SIGINT drains, which --drain-time bounds; the second one ends at once.
func TestDrainTimeAndTheSecondInterrupt(t *testing.T) {
	p, _ := hanging(t, "--drain-time", "1ms")
	p.signal(syscall.SIGINT)
	p.wantEnd()
	p, _ = hanging(t, "--drain-time", "1h")
	p.signal(syscall.SIGINT)
	eventually(t, "it drains", func() bool { return p.status("/ready") == 503 })
	if p.status("/live") != 200 {
		t.Error("a process that drains is not live")
	}
	p.signal(syscall.SIGINT)
	p.wantEnd()
}

// After a drain by the admin server the process stays, until a signal or a stop.
func TestDrainByAdmin(t *testing.T) {
	for _, end := range []func(p *process){
		func(p *process) { p.signal(syscall.SIGTERM) },
		func(p *process) { p.post("/drain?exit=true") },
	} {
		in := echoThrough(t, freeAddress(t))
		admin := freeAddress(t)
		p := startProcess(t, admin, "-c", writeConfig(t, withAdmin(configOf(in), admin, "")))
		p.post("/drain")
		eventually(t, "the listener is closed", func() bool {
			c, err := net.Dial("tcp", in.listen)
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		if p.status("/ready") != 503 || p.status("/version") != 200 {
			t.Error("a drained process is ready, or gone")
		}
		end(p)
		p.wantEnd()
	}
}

// A drain by the admin server closes nothing, nor says that it does: what has not
// finished when its time is over goes on.
func TestDrainByAdminClosesNothing(t *testing.T) {
	p, c := hanging(t, "--drain-time", "20ms")
	p.post("/drain")
	const over = "drain: its time is over and connections are still open"
	eventually(t, "the drain's time is over", func() bool { return strings.Contains(p.out.String(), over) })
	if strings.Contains(p.out.String(), "closing") {
		t.Errorf("the log says that connections are closed: %s", p.out)
	}
	pingPassed(c)
	p.signal(syscall.SIGTERM)
	p.wantEnd()
}

// The file is watched through the links that Kubernetes swaps; what is written in
// pieces, or wrong, changes nothing.
func TestWatch(t *testing.T) {
	t.Parallel() // it waits for most of the time
	red, blue := named(t, "red"), named(t, "blue")
	in := hop{name: "in", listen: freeAddress(t), down: "SofaRpc", up: "SofaRpc", hosts: []string{red}}
	dir := t.TempDir()
	volume := func(name, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "c.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(name, filepath.Join(dir, "..new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	volume("..1", configOf(in))
	file := filepath.Join(dir, "c.json")
	if err := os.Symlink("..data/c.json", file); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, in.listen, "-c", file, "--watch")
	c := dialBolt(t, in.listen)
	wantFrom(t, c, "red")
	in.hosts = []string{blue}
	volume("..2", configOf(in))
	eventually(t, "the new volume is read", func() bool { return strings.Contains(p.out.String(), "hosts +"+blue) })
	wantFrom(t, c, "blue")
	volume("..3", configOf(in)[:100])
	eventually(t, "half a file is refused", func() bool { return strings.Contains(p.out.String(), "reload: nothing was changed") })
	wantFrom(t, c, "blue")
	in.hosts = []string{red}
	volume("..4", configOf(in))
	eventually(t, "the whole file is taken", func() bool { return strings.Contains(p.out.String(), "hosts +"+red) })
	if n := strings.Count(p.out.String(), "nothing was changed"); n != 1 {
		t.Errorf("the half file was refused %d times", n)
	}
	p.signal(syscall.SIGTERM)
	p.wantEnd()
}

// The files of the directories that the configuration names are watched, too: one
// that changes, one that comes, one that goes, and one that is wrong first.
func TestWatchOfDirectories(t *testing.T) {
	t.Parallel() // it waits for most of the time
	red, blue := named(t, "red"), named(t, "blue")
	in := hop{name: "in", listen: freeAddress(t), down: "SofaRpc", up: "SofaRpc"}
	dir := t.TempDir()
	clusters := filepath.Join(dir, "clusters")
	if err := os.Mkdir(clusters, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(clusters, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cluster := func(name, host string) string {
		return fmt.Sprintf(`{"name": %q, "type": "SIMPLE", "lb_type": "LB_ROUNDROBIN", "hosts": [{"address": %q}]}`, name, host)
	}
	write("in.json", cluster("in", red))
	text := configOf(in)
	text = text[:strings.Index(text, `"clusters": [`)] + `"clusters_configs": "clusters"}}`
	file := filepath.Join(dir, "c.json")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, in.listen, "-c", file, "--watch")
	said := func(what string) {
		t.Helper()
		eventually(t, "the proxy says "+what, func() bool { return strings.Contains(p.out.String(), what) })
	}
	c := dialBolt(t, in.listen)
	wantFrom(t, c, "red")
	write("in.json", cluster("in", blue))
	said("hosts +" + blue)
	wantFrom(t, c, "blue")
	write("more.json", cluster("more", red)[:20])
	said("reload: nothing was changed")
	write("more.json", cluster("more", red))
	said(`cluster "more" added`)
	if err := os.Remove(filepath.Join(clusters, "more.json")); err != nil {
		t.Fatal(err)
	}
	said(`cluster "more" removed`)
	wantFrom(t, c, "blue")
	p.signal(syscall.SIGTERM)
	p.wantEnd()
}
