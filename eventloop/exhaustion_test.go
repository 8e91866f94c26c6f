// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// childEnv makes the test binary serve instead of test, for what a process can
// only do to itself.
const childEnv = "EVENTLOOP_TEST_CHILD"

// spareDescriptors is how many the child may open beyond those it starts with.
const spareDescriptors = 12

// runChild serves an echo, with few descriptors, until its input ends.
func runChild(string) int {
	r, err := Start(Options{Loops: 2, Logger: quiet()})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	ln, err := r.Listen(ListenConfig{Network: "tcp", Address: "127.0.0.1:0", Accept: func(*Conn) Handler {
		s := newScript()
		s.data = echo
		return s
	}})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	limit := uint64(len(open) + spareDescriptors)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(ln.Addr())
	io.Copy(io.Discard, os.Stdin)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// served tells whether a connection answers.
func served(c net.Conn) bool {
	if _, err := c.Write([]byte("x")); err != nil {
		return false
	}
	c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	n, _ := c.Read(make([]byte, 1))
	return n == 1
}

// TestOutOfDescriptors: 36 clients come to a process that has descriptors for a
// few. Those it has are served throughout; when others leave, it takes new
// ones; and it stops in order.
func TestOutOfDescriptors(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnv+"=echo")
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address, err := net.ResolveTCPAddr("tcp", line[:len(line)-1])
	if err != nil {
		t.Fatalf("the child says %q", line)
	}

	first := connect(t, address)
	if !served(first) {
		t.Fatal("the first connection is not served")
	}
	var crowd []net.Conn
	for range 3 * spareDescriptors {
		crowd = append(crowd, connect(t, address))
	}
	refused := 0
	for _, c := range crowd {
		if !served(c) {
			refused++
		}
		first.SetDeadline(time.Now().Add(patience))
		write(t, first, []byte("alive"))
		expect(t, first, "alive")
	}
	if refused < len(crowd)-spareDescriptors {
		t.Fatalf("only %d of %d were not served: descriptors did not run out", refused, len(crowd))
	}
	for _, c := range crowd {
		c.Close()
	}
	eventually(t, "new connections are served again", func() bool {
		c := connect(t, address)
		defer c.Close()
		return served(c)
	})
	in.Close()
	if err := child.Wait(); err != nil {
		t.Fatalf("the child: %v", err)
	}
}
