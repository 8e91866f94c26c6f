// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// upgradeLoad is clients that ask all the time.
type upgradeLoad struct {
	seen  outcomes
	calls atomic.Int64
	stop  atomic.Bool
	wg    sync.WaitGroup
}

// run calls until the load is stopped, in a goroutine of its own.
func (l *upgradeLoad) run(call func(i int) string) {
	l.wg.Go(func() {
		for i := 0; !l.stop.Load(); i++ {
			l.seen.add(call(i))
			l.calls.Add(1)
		}
	})
}

// more waits for n further calls, so that what is done next meets connections in
// use.
func (l *upgradeLoad) more(t testing.TB, n int64) {
	t.Helper()
	n += l.calls.Load()
	eventually(t, "the load moves on", func() bool { return l.calls.Load() >= n })
}

// wantAllOK ends the load.
func (l *upgradeLoad) wantAllOK(t testing.TB) {
	t.Helper()
	l.stop.Store(true)
	l.wg.Wait()
	if l.seen.counts["ok"] != int(l.calls.Load()) {
		t.Errorf("%v", l.seen.counts)
	}
}

// callOnce makes one call on a connection of its own.
func callOnce(address string) string {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return "dial: " + err.Error()
	}
	defer c.Close()
	f := newBoltRequest(service, []byte("once"))
	if _, err := c.Write(f.encode()); err != nil {
		return "write: " + err.Error()
	}
	c.SetDeadline(time.Now().Add(callTimeout))
	r, err := readBolt(newReader(c))
	if err != nil {
		return "read: " + err.Error()
	}
	return echoOutcome(f, r)
}

func echoOutcome(f, r boltFrame) string {
	if r.status != 0 || string(r.content) != string(f.content) {
		return fmt.Sprintf("status %d, %d bytes", r.status, len(r.content))
	}
	return "ok"
}

// upgradeHops is a listener of each protocol with a service behind it.
func upgradeHops(t testing.TB) (bolt, h2 hop) {
	t.Helper()
	bolt = hop{name: "bolt", listen: freeAddress(t), down: "SofaRpc", up: "SofaRpc", hosts: []string{startBoltService(t, "127.0.0.1:0", echoBolt).address()}}
	h2 = hop{name: "h2", listen: freeAddress(t), down: "Http2", up: "Http2", hosts: []string{startH2Service(t, "127.0.0.1:0", echoH2).address()}, match: anyRequest}
	return bolt, h2
}

// Process after process takes over from under clients: no request fails, no
// connection and no scrape is refused, and no descriptor is left behind.
func TestUpgradesUnderLoad(t *testing.T) {
	bolt, h2 := upgradeHops(t)
	l := startLineage(t, configOf(bolt, h2))
	client := newH2Client(t)
	var load upgradeLoad
	load.run(func(int) string { return callOnce(bolt.listen) })
	c := dialBolt(t, bolt.listen)
	for range 3 {
		load.run(func(i int) string {
			f := newBoltRequest(service, fmt.Appendf(nil, "call %d", i))
			r, err := c.call(f)
			if err != nil {
				return err.Error()
			}
			return echoOutcome(f, r)
		})
	}
	load.run(func(i int) string {
		b := fmt.Appendf(nil, "call %d", i)
		r, err := tryH2(client, h2.listen, b, true, nil)
		if err != nil || r.status != 200 || string(r.body) != string(b) {
			return fmt.Sprintf("HTTP/2: status %d, %v", r.status, err)
		}
		return "ok"
	})
	scraper := &http.Client{Timeout: callTimeout} // which keeps its connection
	t.Cleanup(scraper.CloseIdleConnections)
	load.run(func(int) string {
		r, err := scraper.Get("http://" + l.admin + "/ready")
		if err != nil {
			return "scrape: " + err.Error()
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			return "scrape: " + r.Status
		}
		return "ok"
	})
	for range 3 {
		load.more(t, 100)
		old := l.current()
		l.upgrade()
		l.wantGone(old)
	}
	load.more(t, 100)
	load.wantAllOK(t)
	client.CloseIdleConnections()
	scraper.CloseIdleConnections()
	t.Logf("%d calls", load.calls.Load())
}

func TestUpgradeLeavesNoDescriptors(t *testing.T) {
	bolt, h2 := upgradeHops(t)
	l := startLineage(t, configOf(bolt, h2))
	before := l.idleDescriptors()
	for range 3 {
		old := l.current()
		l.upgrade()
		l.wantGone(old)
	}
	if now := l.idleDescriptors(); now != before {
		t.Errorf("%d descriptors after three upgrades, %d before", now, before)
	}
}

// The commands find the new process, however the old one was named, and take the
// file of the program as it is then.
func TestUpgradeByPidAndOfAReplacedFile(t *testing.T) {
	bolt := echoThrough(t, freeAddress(t))
	program := filepath.Join(t.TempDir(), "sideloop")
	install := func() os.FileInfo {
		t.Helper()
		b, err := os.ReadFile(sideloop(t).Path)
		if err == nil {
			err = os.WriteFile(program+".new", b, 0o755)
		}
		if err == nil {
			err = os.Rename(program+".new", program)
		}
		if err != nil {
			t.Fatal(err)
		}
		file, err := os.Stat(program)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	install()
	l := startLineageOf(t, program, configOf(bolt))
	for _, by := range [][]string{{"--pid", l.pid}, {"-c", l.config}} {
		old := l.current()
		file := install()
		tell(t, append([]string{"upgrade"}, by...)...)
		if now, err := os.Stat(fmt.Sprintf("/proc/%d/exe", l.current())); err != nil || !os.SameFile(file, now) {
			t.Errorf("the new process is not of the new file: %v", err)
		}
		l.wantGone(old)
		l.waitReady()
	}
	if out, err := sideloopCommand(t, "upgrade", "--pid", l.pid, "--binary", "/bin/true").CombinedOutput(); err == nil {
		t.Errorf("a program is named by a signal: %s", out)
	}
	tell(t, "reload", "--pid", l.pid)
	eventually(t, "the new process reloads", func() bool { return strings.Contains(l.words(), "reload: 0 changes") })
	last := l.current()
	tell(t, "stop", "--pid", l.pid)
	if alive(last) || l.current() != 0 {
		t.Error("the latest process is not the one that was stopped")
	}
}

// A Unix socket goes from one process to the next, and its path with it: the last
// one removes it.
func TestUpgradeOfAUnixSocket(t *testing.T) {
	in := echoThrough(t, filepath.Join(t.TempDir(), "socket"))
	l := startLineage(t, configOf(in))
	wantServed := func() {
		t.Helper()
		c, err := net.Dial("unix", in.listen)
		if err != nil {
			t.Fatal(err)
		}
		f := newBoltRequest(service, []byte("x"))
		wantBoltEcho(t, f, newBoltClient(t, c).mustCall(t, f))
	}
	wantServed()
	text, _ := os.ReadFile(l.config)
	if err := os.WriteFile(l.config, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	l.wantNoUpgrade("error")
	wantServed()
	if err := os.WriteFile(l.config, text, 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		old := l.current()
		l.upgrade()
		l.wantGone(old)
		wantServed()
	}
	last := l.current()
	syscall.Kill(last, syscall.SIGTERM)
	l.wantGone(last)
	if _, err := os.Lstat(in.listen); err == nil {
		t.Error("the socket's path is left behind")
	}
}
