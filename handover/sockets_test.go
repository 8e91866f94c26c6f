// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"net"
	"os"
	"strconv"
	"testing"
)

func TestSameAddress(t *testing.T) {
	tcp := func(text string) net.Addr {
		a, err := net.ResolveTCPAddr("tcp", text)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	path := &net.UnixAddr{Name: "/run/s", Net: "unix"}
	for _, c := range []struct {
		socket           net.Addr
		network, address string
		same             bool
	}{
		{tcp("127.0.0.1:80"), "tcp", "127.0.0.1:80", true},
		{tcp("127.0.0.1:80"), "tcp", "localhost:80", true},
		{tcp("127.0.0.1:80"), "tcp", "127.0.0.1:81", false},
		{tcp("127.0.0.1:80"), "tcp", "127.0.0.2:80", false},
		{tcp("127.0.0.1:80"), "tcp", "0.0.0.0:80", false},
		{tcp("[::ffff:127.0.0.1]:80"), "tcp", "127.0.0.1:80", true},
		{tcp("[::]:80"), "tcp", "0.0.0.0:80", true},
		{tcp("[::]:80"), "tcp", ":80", true},
		{tcp("0.0.0.0:80"), "tcp", "[::]:80", true},
		{tcp("[::]:80"), "tcp6", ":80", true},
		{tcp("[::]:80"), "tcp4", ":80", false},
		{tcp("[::1]:80"), "tcp", "[::1]:80", true},
		{tcp("[fe80::1%lo]:80"), "tcp", "[fe80::1%eth0]:80", false},
		{path, "unix", "/run/s", true},
		{path, "unix", "/run/t", false},
		{path, "tcp", "127.0.0.1:80", false},
		{tcp("127.0.0.1:80"), "unix", "/run/s", false},
		{tcp("127.0.0.1:80"), "tcp", "no address", false},
	} {
		if got := sameAddress(c.socket, c.network, c.address); got != c.same {
			t.Errorf("%v and %s %s: %v", c.socket, c.network, c.address, got)
		}
	}
}

// A socket goes to the listener of its key, else of its address, else of its
// name, and to one only.
func TestTake(t *testing.T) {
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	named, there, keyed := listen(), listen(), listen()
	s := new(Sockets)
	s.add(&Given{Listener: named, name: "in"})
	s.add(&Given{Listener: there, name: "other"})
	s.add(&Given{Listener: keyed, key: "tcp 10.0.0.1:1"})
	w := Want{Key: "tcp " + there.Addr().String(), Name: "in", Network: "tcp", Address: there.Addr().String()}
	if g := s.Take(w); g == nil || g.Listener != there {
		t.Errorf("by address: %v", g)
	}
	if g := s.Take(w); g == nil || g.Listener != named {
		t.Errorf("by name: %v", g)
	}
	if g := s.Take(w); g != nil {
		t.Errorf("once more: %v", g)
	}
	if g := s.Take(Want{Key: "x", Network: "tcp", Address: keyed.Addr().String()}); g != nil {
		t.Errorf("a socket with a key, by its address: %v", g)
	}
	if rest := s.CloseRest(); len(rest) != 1 || rest[0].Listener != keyed {
		t.Errorf("the rest: %v", rest)
	}
	if _, err := keyed.Accept(); err == nil {
		t.Error("the rest is open")
	}
	var none *Sockets
	if none.Take(w) != nil || none.Kept() != nil || none.CloseRest() != nil {
		t.Error("no sockets are some")
	}
}

func TestActivationIsForAnother(t *testing.T) {
	t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()+1))
	t.Setenv("LISTEN_FDS", "1")
	if s, err := Activated(); s != nil || err != nil {
		t.Errorf("%v, %v", s, err)
	}
	if os.Getenv("LISTEN_FDS") != "" {
		t.Error("the variables are left to other processes")
	}
}

func TestInheritNothing(t *testing.T) {
	if p, s, err := Inherit(); p != nil || s != nil || err != nil {
		t.Errorf("%v, %v, %v", p, s, err)
	}
	for _, text := range []string{"x", "0", "-1", "1000000"} {
		t.Setenv(environment, text)
		if _, _, err := Inherit(); err == nil {
			t.Errorf("%s=%s is taken", environment, text)
		}
	}
}
