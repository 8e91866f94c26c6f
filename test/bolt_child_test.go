// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// echoVariable makes the test's binary serve as an echo service of a process of
// its own, which can be stopped like one: "SofaRpc ADDRESS", "Http2 ADDRESS" or
// "Large ADDRESS".
const echoVariable = "SIDELOOP_TEST_ECHO"

// serveEcho does not return.
func serveEcho(what string) {
	var protocol, address string
	fmt.Sscan(what, &protocol, &address)
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	switch protocol {
	case largeProtocol:
		for {
			c, err := l.Accept()
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			go serveLarge(c)
		}
	case "SofaRpc":
		s := &boltService{listener: l, conns: make(map[net.Conn]bool), handle: func(f boltFrame) []boltFrame {
			if f.get("service") == neverService {
				return nil
			}
			return echoBolt(f)
		}}
		s.accept()
	}
	h := &http.Server{Protocols: onlyH2(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Service") == neverService {
			<-r.Context().Done()
			return
		}
		echoH2(w, r)
	})}
	fmt.Fprintln(os.Stderr, h.Serve(l))
	os.Exit(1)
}

// neverService is one that the echo processes take requests for and never
// answer.
const neverService = "never"

// echoProcess is an echo service as a child process.
type echoProcess struct {
	t       testing.TB
	cmd     *exec.Cmd
	address string
}

func startEchoProcess(t testing.TB, protocol string) *echoProcess {
	t.Helper()
	return startEchoProcessAt(t, protocol, freeAddress(t))
}

func startEchoProcessAt(t testing.TB, protocol, address string) *echoProcess {
	t.Helper()
	e := &echoProcess{t: t, cmd: exec.Command(os.Args[0]), address: address}
	e.cmd.Env = append(os.Environ(), echoVariable+"="+protocol+" "+address)
	e.cmd.Stderr = os.Stderr
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.kill)
	eventually(t, "the echo process listens", func() bool {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return e
}

func (e *echoProcess) kill() {
	if e.cmd.ProcessState == nil {
		e.cmd.Process.Kill()
		e.cmd.Wait()
	}
}

// freeze and thaw stop the process as a whole and let it go on: its kernel goes
// on accepting connections and taking bytes.
func (e *echoProcess) freeze() { e.signal(syscall.SIGSTOP) }
func (e *echoProcess) thaw()   { e.signal(syscall.SIGCONT) }

func (e *echoProcess) signal(s syscall.Signal) {
	e.t.Helper()
	if err := e.cmd.Process.Signal(s); err != nil {
		e.t.Fatal(err)
	}
}
