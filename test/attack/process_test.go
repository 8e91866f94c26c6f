// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/server"
	"github.com/sideloop/sideloop/test/peer"
)

// Where time is measured, proxy and attacker are processes of their own: the
// test's binary in a role. Their collectors and schedulers are theirs, and
// what the proxy's process holds is the proxy's.

// roleVariable makes the test's binary play a role: it answers each line of its
// input with one of its output, until its input ends.
const roleVariable = "SIDELOOP_TEST_ROLE"

// roles begin with the first line; what they return answers the lines after it.
var roles = map[string]func(line string) (answer string, next func(string) string, err error){
	"proxy":    playProxy,
	"sink":     playSink,
	"attacker": playAttacker,
}

func play(role string) {
	lines := bufio.NewReader(os.Stdin)
	var next func(string) string
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		answer := ""
		if next == nil {
			if answer, next, err = roles[role](line); err != nil {
				fmt.Fprintln(os.Stderr, role, err)
				os.Exit(1)
			}
		} else {
			answer = next(line)
		}
		fmt.Println(answer)
	}
}

// proxyGCPercent is what the proxy's command sets; it also calls ReturnMemory.
const proxyGCPercent = 50

// collect makes the proxy's process collect its garbage, for which it needs
// memory that it never gives back.
const collect = "collect"

// playProxy is told its configuration and tells its address, and then is asked
// how often an anomaly was counted.
func playProxy(text string) (string, func(string) string, error) {
	debug.SetGCPercent(proxyGCPercent)
	server.ReturnMemory()
	p, err := startProxy(text)
	if err != nil {
		return "", nil, err
	}
	return p.Addr("in").String(), func(word string) string {
		if word == collect {
			debug.FreeOSMemory()
			return ""
		}
		b, err := p.Stats()
		if err != nil {
			return "0" // the loop was late
		}
		return strconv.FormatUint(b.Glitches(word), 10)
	}, nil
}

// playSink takes all that is sent to it. It says what a host of HTTP/2 says first,
// and then nothing.
func playSink(string) (string, func(string) string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				c.Write(append(peer.Settings(), peer.SettingsAck()...))
				b := make([]byte, 64<<10)
				for err := error(nil); err == nil; {
					_, err = c.Read(b)
				}
			}()
		}
	}()
	return l.Addr().String(), func(string) string { return "" }, nil
}

// flood is what an attacker sends without end: volley pieces at a time.
type flood struct {
	volley int
	piece  func(i int) []byte
}

// floods cut themselves off again and again, and leave the machine to those that
// are measured.
var floods = map[string]flood{
	"ping":     {1000, always(peer.Ping())},
	"priority": {1000, always(peer.PriorityOn(1, 3))},
	"settings": {1000, always(peer.Settings())},
	"rapid reset": {64, func(i int) []byte {
		return append(peer.Headers(odd(i), peer.Plain("GET", "/host"), peer.EndStream|peer.EndHeaders), peer.Reset(odd(i), http2.ErrCodeCancel)...)
	}},
	// As many fields as are allowed, next to nothing on the wire.
	"wide requests": {64, func(i int) []byte {
		return append(peer.Block(odd(i), references("/host", "a", "", 240), wholeFrame, peer.EndStream), peer.Reset(odd(i), http2.ErrCodeCancel)...)
	}},
	"header bomb": {64, func(i int) []byte {
		return peer.Block(odd(i), references("/host", "a", "", 1000), wholeFrame, peer.EndStream)
	}},
	// The client leaves at once.
	"connections": {},
}

const (
	// pace is how often an attacker sends a volley.
	pace = 2 * time.Millisecond
	// volleys is how many it sends on a connection that is not cut off.
	volleys = 100
)

// attacker floods one address after the other. Cut off, it comes back at once.
type attacker struct {
	pieces [][]byte // made beforehand, so that to flood costs next to nothing
	quit   chan struct{}
	done   chan struct{}
	conns  int
	bytes  int
}

// playAttacker is told what to send. Then an address begins an attack, and an
// empty line ends it and has the connections and bytes for its answer.
func playAttacker(name string) (string, func(string) string, error) {
	f, known := floods[name]
	if !known {
		return "", nil, fmt.Errorf("no flood has the name %q", name)
	}
	a := &attacker{}
	for v := 0; f.volley > 0 && v < volleys; v++ {
		var b []byte
		for i := range f.volley {
			b = append(b, f.piece(v*f.volley+i)...)
		}
		a.pieces = append(a.pieces, b)
	}
	return "ready", func(address string) string {
		if address != "" {
			a.quit, a.done = make(chan struct{}), make(chan struct{})
			go a.attack(address)
			return "begun"
		}
		close(a.quit)
		<-a.done
		return fmt.Sprint(a.conns, " ", a.bytes)
	}, nil
}

func (a *attacker) attack(address string) {
	defer close(a.done)
	a.conns, a.bytes = 0, 0
	for a.rest() {
		c, err := net.Dial("tcp", address)
		if err != nil {
			continue
		}
		a.conns++
		cut := make(chan struct{})
		go func() {
			io.Copy(io.Discard, c)
			close(cut)
		}()
		a.flood(c, cut)
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		<-cut
	}
}

// flood sends until the connection is cut off, or there is no more.
func (a *attacker) flood(c net.Conn, cut chan struct{}) {
	greeting := append([]byte(http2.ClientPreface), peer.Settings()...)
	if _, err := c.Write(append(greeting, peer.SettingsAck()...)); err != nil {
		return
	}
	for _, b := range a.pieces {
		c.SetWriteDeadline(time.Now().Add(stall))
		n, err := c.Write(b)
		a.bytes += n
		if err != nil || !a.rest() {
			return
		}
		select {
		case <-cut:
			return
		default:
		}
	}
}

// rest waits between two volleys. It is false when the attack is to end.
func (a *attacker) rest() bool {
	select {
	case <-a.quit:
		return false
	case <-time.After(pace):
		return true
	}
}

// process is a role that is played.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Reader
	// first is what answered the first line.
	first string
}

func startProcess(t *testing.T, role, line string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), roleVariable+"="+role)
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.out = in, bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	p.first = p.ask(strings.ReplaceAll(line, "\n", " "))
	return p
}

// ask sends a line and returns the answer.
func (p *process) ask(line string) string {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		p.t.Fatal(err)
	}
	answer, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("no answer to %q: %v", line, err)
	}
	return strings.TrimSpace(answer)
}

func (p *process) pid() string { return strconv.Itoa(p.cmd.Process.Pid) }

// cpu is the time of processors that the process has used, in steps of 10 ms.
func (p *process) cpu() time.Duration {
	p.t.Helper()
	b, err := os.ReadFile("/proc/" + p.pid() + "/stat")
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	ticks := 0
	for _, f := range fields[11:13] { // utime, stime
		n, _ := strconv.Atoi(f)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
