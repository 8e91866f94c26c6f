// SPDX-License-Identifier: Apache-2.0

package test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// activate runs the proxy as systemd would, with sockets and their names, until it
// has ended or stop is called.
func activate(t *testing.T, config, names string, sockets ...*os.File) (cmd *exec.Cmd, said *lockedBuffer) {
	t.Helper()
	program, err := builtBinary()
	if err != nil {
		t.Fatalf("%v: %s", err, program)
	}
	// LISTEN_PID must be that of the process itself.
	cmd = exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" start -c "$1"`, program, config)
	cmd.Env = append(os.Environ(), "LISTEN_FDS="+strconv.Itoa(len(sockets)), "LISTEN_FDNAMES="+names)
	cmd.ExtraFiles = sockets
	said = new(lockedBuffer)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd, said
}

// socketAt is a listening socket as a file.
func socketAt(t *testing.T, network, address string) *os.File {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Sockets are matched by their addresses, also where the wildcard is of the other
// family, and else by their names. What waits in a queue when the proxy ends is
// served by the next one.
func TestSocketActivation(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt).address()
	path := filepath.Join(t.TempDir(), "socket")
	tcp, wild := freeAddress(t), freeAddress(t)
	_, port, _ := net.SplitHostPort(wild)
	to := func(name, address string) hop {
		return hop{name: name, listen: address, down: "SofaRpc", up: "SofaRpc", hosts: []string{up}}
	}
	named := freeAddress(t)
	config := writeConfig(t, withAdmin(configOf(to("tcp", tcp), to("wild", "0.0.0.0:"+port), to("unix", path), to("named", "127.0.0.1:1")), freeAddress(t), ""))
	admin := freeAddress(t)
	sockets := []*os.File{
		socketAt(t, "tcp", admin), socketAt(t, "tcp", named), socketAt(t, "unix", path),
		socketAt(t, "tcp", ":"+port), socketAt(t, "tcp", tcp), socketAt(t, "tcp", "127.0.0.1:0"),
	}
	for range 2 {
		cmd, said := activate(t, config, "admin:named:sideloop.socket:x:y:stray", sockets...)
		for _, address := range []string{tcp, "127.0.0.1:" + port, named} {
			if out := callOnce(address); out != "ok" {
				t.Fatalf("%s: %s: %s", address, out, said)
			}
		}
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		f := newBoltRequest(service, []byte("unix"))
		wantBoltEcho(t, f, newBoltClient(t, c).mustCall(t, f))
		tell(t, "wait", "--admin", admin)
		if !strings.Contains(said.String(), `no listener has the address of`) || !strings.Contains(said.String(), `"stray"`) {
			t.Errorf("nothing is said of the socket that nobody wants: %s", said)
		}
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %s", err, said)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("the supervisor's socket is gone: %v", err)
		}
	}
}

func TestSocketActivationOfWrongKinds(t *testing.T) {
	in := echoThrough(t, freeAddress(t))
	config := writeConfig(t, configOf(in))
	datagrams, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	udp, err := datagrams.File()
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	plain, err := os.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	right := socketAt(t, "tcp", in.listen)
	for name, f := range map[string]*os.File{"datagrams": udp, "file": plain} {
		cmd, said := activate(t, config, "right:"+name, right, f)
		if err := cmd.Wait(); err == nil || !strings.Contains(said.String(), `descriptor 4 ("`+name+`"): it is not a stream socket that listens`) {
			t.Errorf("%s: %v: %s", name, err, said)
		}
	}
	for number, want := range map[string]string{"x": "LISTEN_FDS", "-1": "LISTEN_FDS", "100000": "LISTEN_FDS", "3": "descriptor 3"} {
		cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" start -c "$1"`, sideloop(t).Path, config)
		cmd.Env = append(os.Environ(), "LISTEN_FDS="+number)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
			t.Errorf("LISTEN_FDS=%s: %v: %s", number, err, out)
		}
	}
}

// notices is what a supervisor is told.
type notices struct {
	t    *testing.T
	conn *net.UnixConn
}

func listenNotices(t *testing.T) *notices {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return &notices{t, c}
}

func (n *notices) want(prefix string) {
	n.t.Helper()
	b := make([]byte, 4096)
	n.conn.SetReadDeadline(time.Now().Add(waitLimit))
	k, err := n.conn.Read(b)
	if err != nil || !strings.HasPrefix(string(b[:k]), prefix) {
		n.t.Fatalf("the supervisor was told %q, %v; want %q", b[:k], err, prefix)
	}
}

// A supervisor hears when the proxy is ready, reloads, is another process, and
// ends; and of nobody but the main process.
func TestNotifications(t *testing.T) {
	n := listenNotices(t)
	l := startLineage(t, configOf(echoThrough(t, freeAddress(t))))
	n.want("READY=1")
	syscall.Kill(l.current(), syscall.SIGHUP)
	n.want("RELOADING=1\nMONOTONIC_USEC=")
	n.want("READY=1")
	old := l.current()
	now := l.upgrade()
	n.want("MAINPID=" + strconv.Itoa(now))
	l.wantGone(old)
	syscall.Kill(now, syscall.SIGTERM)
	n.want("STOPPING=1")
	l.wantGone(now)
}
