// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// lengthField is a length of a frame: where it stands before the end of the fixed
// part, and its size in bytes.
type lengthField struct {
	name         string
	before, size int
	values       []uint32
}

var lengthFields = []lengthField{
	{"class", 8, 2, []uint32{0, 1, 0x7FFF, 0x8000, 0xFFFF}},
	{"header map", 6, 2, []uint32{0, 1, 3, 0x7FFF, 0x8000, 0xFFFF}},
	{"content", 4, 4, []uint32{0, 1, 1 << 16, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF}},
}

// set returns frame with the field set to v.
func (l lengthField) set(frame []byte, v uint32) []byte {
	fixed := 20
	if frame[0] == 2 {
		fixed += 2
	}
	if frame[fixed-19] != kindResponse {
		fixed += 2
	}
	b := bytes.Clone(frame)
	if l.size == 2 {
		binary.BigEndian.PutUint16(b[fixed-l.before:], uint16(v))
	} else {
		binary.BigEndian.PutUint32(b[fixed-l.before:], v)
	}
	return b
}

// boltVersions is a request in each version.
func boltVersions(content []byte) map[string]boltFrame {
	frames := make(map[string]boltFrame)
	for name, v := range map[string][3]byte{"v1": {1}, "v2": {2, 1}, "v2 with CRC": {2, 2, 1}} {
		f := newBoltRequest(service, content)
		f.version, f.ver1, f.switches = v[0], v[1], v[2]
		f.id = 77
		frames[name] = f
	}
	return frames
}

// Every length at its edges, from a client: the frame is answered or its
// connection closed, nothing is held, and a service sees whole frames only.
func TestAttackLengthsOfRequests(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
	beside(t, p, "in", func(t *testing.T, address string) {
		for name, f := range boltVersions([]byte("content")) {
			for _, l := range lengthFields {
				for _, v := range l.values {
					c := dial(t, address)
					c.Write(l.set(f.encode(), v))
					c.(*net.TCPConn).CloseWrite()
					r := bufio.NewReader(bytes.NewReader(wantClosed(t, c)))
					for answers := 0; ; answers++ {
						got, err := readBolt(r)
						if err == io.EOF {
							break
						}
						if err != nil || got.kind != kindResponse || answers > 1 {
							t.Errorf("%s, %s %d: got %+v, %v", name, l.name, v, got, err)
							break
						}
						if got.status != 0 && got.get(codec.ReasonHeader) == "" {
							t.Errorf("%s, %s %d: status %d without a reason", name, l.name, v, got.status)
						}
					}
					if h := p.held(); h[codec.Gather] > 256<<10 || h[codec.Hold] > 256<<10 {
						t.Errorf("%s, %s %d: %v held", name, l.name, v, h)
					}
				}
			}
		}
	})
}

// The same from an upstream host: the request is answered, once, and the next
// one is served.
func TestAttackLengthsOfReplies(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{l.Addr().String()}}))
	for name, f := range boltVersions([]byte("content")) {
		for _, field := range lengthFields {
			for _, v := range field.values {
				if v == 0x7FFFFFFF {
					v = 1 << 26 // the client of this test takes the memory that it is told of
				}
				c := dialBolt(t, p.address("in"))
				answer := make(chan boltFrame, 1)
				cut := make(chan error, 1)
				go func() {
					if r, err := c.call(f); err != nil {
						cut <- err
					} else {
						answer <- r
					}
				}()
				up := acceptConn(t, l)
				got, err := readBolt(newReader(up))
				if err != nil {
					t.Fatal(err)
				}
				r := got.reply()
				up.Write(field.set(r.encode(), v))
				up.(*net.TCPConn).CloseWrite()
				select {
				case r := <-answer:
					if r.status != 0 && r.get(codec.ReasonHeader) == "" {
						t.Errorf("%s, %s %d: status %d without a reason", name, field.name, v, r.status)
					}
				case <-cut:
					// A reply that had begun and cannot be completed.
					if v < 1<<16 {
						t.Errorf("%s, %s %d: the connection was cut", name, field.name, v)
					}
				}
				up.Close()
				eventually(t, "the connection is given up", func() bool {
					s := p.stats()
					return s.Get(stats.UpstreamConnections) == s.Get(stats.UpstreamConnectionsClosed)
				})
				p.wantNothingHeld()
				c.close()
			}
		}
	}
}

// announcedHuge is what is sent of frames that announce two gigabytes.
func announcedHuge() int {
	if os.Getenv("SIDELOOP_SOAK") != "" {
		return 0x7FFFFFFF
	}
	return 32 << 20
}

// A frame of two gigabytes that is announced and fed costs no memory: not while
// it is passed on, and not while it is dropped because nobody takes it.
func TestAttackAnnouncedHuge(t *testing.T) {
	sink := startSwallow(t)
	p := startProxy(t, configOf(
		hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{sink}},
		hop{name: "nobody", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{freeAddress(t)}},
	))
	for _, listener := range []string{"in", "nobody"} {
		c := dial(t, p.address(listener))
		f := newBoltRequest(service, nil)
		f.timeout = -1
		c.Write(largeHead(f, 0x7FFFFFFF))
		chunk, worst := body(1<<20), 0
		for left := announcedHuge(); left > 0; left -= len(chunk) {
			c.SetDeadline(time.Now().Add(callTimeout))
			if _, err := c.Write(chunk[:min(left, len(chunk))]); err != nil {
				t.Fatalf("%s: %v", listener, err)
			}
			for _, n := range p.held() {
				worst = max(worst, n)
			}
		}
		if worst > 512<<10 {
			t.Errorf("%s: %d bytes were held", listener, worst)
		}
		c.Close()
		p.wantNothingHeld()
	}
}

// startSwallow accepts connections and reads whatever comes.
func startSwallow(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				io.Copy(io.Discard, c)
				c.Close()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		t.Cleanup(func() { <-done }) // when the proxy has closed its connections
	})
	return l.Addr().String()
}

// Heartbeats are answered at a rate that no client needs more of. A flood of
// them, read or not, costs its own connection at most.
func TestAttackHeartbeatFlood(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
	beside(t, p, "in", func(t *testing.T, address string) {
		beat := boltFrame{version: 1, kind: kindRequest, codec: 1}
		flood := bytes.Repeat(beat.encode(), 1000)
		for _, reads := range []bool{true, false} {
			c := dial(t, address)
			answers := make(chan int, 1)
			if reads {
				go func() {
					n, r := 0, newReader(c)
					for {
						if _, err := readBolt(r); err != nil {
							answers <- n
							return
						}
						n++
					}
				}()
			}
			for range scale(100) {
				if _, err := c.Write(flood); err != nil {
					break
				}
			}
			c.(*net.TCPConn).CloseWrite()
			if reads {
				if n := <-answers; n == 0 || n > scale(100)*1000/2 {
					t.Errorf("%d heartbeats were answered", n)
				}
			}
			if h := p.held(); h[codec.Hold] > 1<<20 {
				t.Errorf("%d bytes held", h[codec.Hold])
			}
			c.Close()
		}
		if p.stats().Glitches("heartbeat_flood") == 0 {
			t.Error("no flood was noticed")
		}
	})
}

// Replies that nobody asked for are dropped and counted, however many.
func TestAttackUnknownIDs(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{l.Addr().String()}}))
	c := dialBolt(t, p.address("in"))
	answer := make(chan boltFrame, 1)
	go func() {
		r, _ := c.call(newBoltRequest(service, []byte("mine")))
		answer <- r
	}()
	up := acceptConn(t, l)
	f, err := readBolt(newReader(up))
	if err != nil {
		t.Fatal(err)
	}
	strays := scale(20_000)
	var storm []byte
	for i := range strays {
		s := f.reply()
		s.id, s.content = f.id+1+uint32(i), []byte("stray")
		storm = append(storm, s.encode()...)
		if len(storm) > 1<<20 || i == strays-1 {
			up.Write(storm)
			storm = storm[:0]
		}
	}
	r := f.reply()
	up.Write(r.encode())
	if r := <-answer; r.status != 0 || string(r.content) != "mine" {
		t.Errorf("status %d, %q", r.status, r.content)
	}
	if n := p.stats().Glitches("unknown_request_id"); n != uint64(strays) {
		t.Errorf("%d of %d strays were counted", n, strays)
	}
	p.wantOK(1)
}

// One-way calls leave nothing behind in a pool, whether their service answers
// them or not: the connection they went over is idle, and closed as such.
func TestAttackOneWays(t *testing.T) {
	var arrived atomic.Int64
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		if f.kind != kindOneWay || arrived.Add(1)%2 == 0 {
			return []boltFrame{f.reply()}
		}
		return nil
	})
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
		hosts: []string{up.address()}, clusterKV: `, "idle_timeout": "100ms", "max_request_per_conn": 1000000000`}))
	calls := scale(20_000)
	c := dialBolt(t, p.address("in"))
	f := newBoltRequest(service, body(100))
	// While there is no connection, only so many calls may wait for it.
	wantBoltEcho(t, f, c.mustCall(t, f))
	f.kind = kindOneWay
	for range calls {
		if err := c.send(f); err != nil {
			t.Fatal(err)
		}
	}
	for at := int64(0); at < int64(calls); at = arrived.Load() {
		eventually(t, fmt.Sprintf("more than %d of %d arrive", at, calls), func() bool { return arrived.Load() > at })
	}
	p.wantOK(calls + 1)
	eventually(t, "every connection was idle and is closed", func() bool {
		s := p.stats()
		return s.Get(stats.UpstreamConnections) == s.Get(stats.UpstreamConnectionsClosed)
	})
	if c.strays > 0 {
		t.Errorf("%d replies to one-way calls", c.strays)
	}
}

// Connections that open and close in all ways while others carry traffic never
// get what is another's, though descriptors are used again at once.
func TestAttackReusedDescriptors(t *testing.T) {
	var kills atomic.Int64
	var up *boltService
	up = startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		if kills.Add(1)%2000 == 0 {
			go up.closeConns()
		}
		return echoBolt(f)
	})
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
	address := p.address("in")
	var answers atomic.Int64
	var wg sync.WaitGroup
	for k := range 16 {
		wg.Go(func() {
			random := rand.New(rand.NewSource(int64(k)))
			for i := range scale(100) {
				c, err := net.Dial("tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				calls := random.Intn(8)
				for n := range calls {
					f := newBoltRequest(service, fmt.Appendf(nil, "%d/%d/%d", k, i, n))
					f.id = uint32(n)
					c.Write(f.encode())
				}
				tcp := c.(*net.TCPConn)
				switch random.Intn(3) {
				case 0:
					tcp.SetLinger(0) // a reset, with calls in flight
				case 1:
					tcp.CloseWrite()
					fallthrough
				default:
					c.SetReadDeadline(time.Now().Add(callTimeout))
					r := newReader(c)
					for range calls {
						f, err := readBolt(r)
						if err != nil {
							t.Errorf("%d/%d: %v", k, i, err)
							break
						}
						if want := fmt.Sprintf("%d/%d/%d", k, i, f.id); f.status == 0 && string(f.content) != want {
							t.Errorf("got the reply %q, want %q", f.content, want)
						}
						answers.Add(1)
					}
				}
				c.Close()
			}
		})
	}
	wg.Wait()
	if answers.Load() == 0 {
		t.Error("nothing was answered")
	}
	p.wantNothingHeld()
}

// startLimited runs `sideloop start` with a limit on its descriptors.
func startLimited(t *testing.T, config, address string, descriptors int) *exec.Cmd {
	t.Helper()
	plain := sideloop(t, "start", "-c", config)
	cmd := exec.Command("sh", append([]string{"-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, descriptors), "sh"}, plain.Args...)...)
	cmd.Stderr = io.Discard
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGKILL)
		cmd.Wait()
	})
	eventually(t, "the proxy listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return cmd
}

// cpuTicks is the CPU time that a process has used, in hundredths of a second.
func cpuTicks(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+2:]))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return user + system
}

// With more clients than descriptors the proxy serves those that it has, does
// not spin, and takes the others when there is room again.
func TestAttackDescriptors(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	address := freeAddress(t)
	config := writeConfig(t, configOf(hop{name: "in", listen: address, down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}))
	cmd := startLimited(t, config, address, 64)
	first := dialBolt(t, address)
	f := newBoltRequest(service, []byte("x"))
	wantBoltEcho(t, f, first.mustCall(t, f))
	clients := min(scale(300), 1000)
	var crowd []net.Conn
	for range clients {
		c, err := net.DialTimeout("tcp", address, callTimeout)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		crowd = append(crowd, c)
	}
	wantBoltEcho(t, f, first.mustCall(t, f))
	before := cpuTicks(t, cmd.Process.Pid)
	time.Sleep(time.Second) // the time whose CPU is counted
	if used := cpuTicks(t, cmd.Process.Pid) - before; used > 30 {
		t.Errorf("it used %d%% of a CPU to wait", used)
	}
	wantBoltEcho(t, f, first.mustCall(t, f))
	for _, c := range crowd[:clients-5] {
		c.Close()
	}
	for i, c := range crowd[clients-5:] {
		c.SetDeadline(time.Now().Add(callTimeout))
		c.Write(f.encode())
		r, err := readBolt(newReader(c))
		if err != nil {
			t.Fatalf("client %d of those that are left: %v", i, err)
		}
		wantBoltEcho(t, f, r)
	}
}
