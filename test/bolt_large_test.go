// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
)

// largeSize is the size of the large frames: 1 GiB in make soak.
func largeSize() int {
	if os.Getenv("SIDELOOP_SOAK") != "" {
		return 1 << 30
	}
	return 48 << 20
}

// pattern is the content of large frames: it repeats after a prime number of
// bytes, so that no offset of a buffer size goes unnoticed.
var pattern = body(1_000_003)

// writePattern writes size bytes of the pattern.
func writePattern(w io.Writer, size int) error {
	for size > 0 {
		n := min(size, len(pattern))
		if _, err := w.Write(pattern[:n]); err != nil {
			return err
		}
		size -= n
	}
	return nil
}

func patternSum(size int) uint32 {
	sum := crc32.NewIEEE()
	writePattern(sum, size)
	return sum.Sum32()
}

// largeHead is the bytes of f up to its content, which is size bytes long.
func largeHead(f boltFrame, size int) []byte {
	f.content = nil
	b := f.encode()
	at := 18
	if f.kind == kindResponse {
		at = 16
	}
	binary.BigEndian.PutUint32(b[at:], uint32(size))
	return b
}

// readLargeHead reads a frame of version 1 up to its content.
func readLargeHead(r *bufio.Reader) (f boltFrame, size int, err error) {
	start, err := r.Peek(22)
	if err != nil {
		return f, 0, err
	}
	fixed := 22
	if start[1] == kindResponse {
		fixed = 20
		f.status = binary.BigEndian.Uint16(start[10:])
	}
	f.kind, f.command, f.id = start[1], binary.BigEndian.Uint16(start[2:]), binary.BigEndian.Uint32(start[5:])
	f.version, f.codec = start[0], start[9]
	class, header := int(binary.BigEndian.Uint16(start[fixed-8:])), int(binary.BigEndian.Uint16(start[fixed-6:]))
	size = int(binary.BigEndian.Uint32(start[fixed-4:]))
	b := make([]byte, fixed+class+header)
	if _, err = io.ReadFull(r, b); err != nil {
		return f, 0, err
	}
	f.class = string(b[fixed : fixed+class])
	f.pairs, err = readPairs(b[fixed+class:])
	return f, size, err
}

// startLargeService answers each request with the sum of its content, as eight
// hex digits, and requests of the service "give:N" with N bytes of the pattern.
func startLargeService(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	serve := func(c net.Conn) {
		defer c.Close()
		r := newReader(c)
		for {
			f, size, err := readLargeHead(r)
			if err != nil {
				return
			}
			sum := crc32.NewIEEE()
			if _, err := io.CopyN(sum, r, int64(size)); err != nil {
				return
			}
			reply := f.reply()
			if give, ok := strings.CutPrefix(f.get("service"), "give:"); ok {
				n, _ := strconv.Atoi(give)
				c.Write(largeHead(reply, n))
				if writePattern(c, n) != nil {
					return
				}
				continue
			}
			reply.content = fmt.Appendf(nil, "%08x", sum.Sum32())
			c.Write(reply.encode())
		}
	}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() { serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

// sendLarge makes a call with size bytes of content.
func sendLarge(address string, size int) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	f := newBoltRequest("take", nil)
	f.id, f.timeout = 7, -1
	if _, err := c.Write(largeHead(f, size)); err != nil {
		return err
	}
	if err := writePattern(c, size); err != nil {
		return err
	}
	r, err := readBolt(newReader(c))
	if err != nil {
		return err
	}
	if want := fmt.Sprintf("%08x", patternSum(size)); r.status != 0 || r.id != 7 || string(r.content) != want {
		return fmt.Errorf("status %d, %q, sum %q; want %q", r.status, r.get(codec.ReasonHeader), r.content, want)
	}
	return nil
}

// takeLarge makes a call whose reply has size bytes of content.
func takeLarge(address string, size int) error {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	f := newBoltRequest(fmt.Sprintf("give:%d", size), nil)
	f.id, f.timeout = 9, -1
	c.Write(f.encode())
	r := newReader(c)
	got, n, err := readLargeHead(r)
	if err != nil {
		return err
	}
	sum := crc32.NewIEEE()
	if _, err := io.CopyN(sum, r, int64(n)); err != nil {
		return err
	}
	if got.status != 0 || got.id != 9 || n != size || sum.Sum32() != patternSum(size) {
		return fmt.Errorf("status %d, %q, %d bytes, sum %08x", got.status, got.get(codec.ReasonHeader), n, sum.Sum32())
	}
	return nil
}

// rss is the resident memory of a process in bytes.
func rss(t testing.TB, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("the process has no resident memory")
	return 0
}

// smallCalls makes calls of 1 KiB until stopped and returns how long each took.
func smallCalls(t testing.TB, address string, stop <-chan struct{}) []time.Duration {
	var all []time.Duration
	c := dialBolt(t, address)
	for {
		select {
		case <-stop:
			return all
		default:
		}
		f := newBoltRequest("take", body(1024))
		began := time.Now()
		r, err := c.call(f)
		all = append(all, time.Since(began))
		if err != nil || r.status != 0 || string(r.content) != fmt.Sprintf("%08x", crc32.ChecksumIEEE(f.content)) {
			t.Errorf("a small call: %v, status %d, %q", err, r.status, r.get(codec.ReasonHeader))
			return all
		}
		time.Sleep(200 * time.Microsecond) // a steady caller, not a second flood
	}
}

func p99(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)*99/100]
}

// maxGrowth is how much the proxy's resident memory may grow while large frames
// pass, whatever their size.
const maxGrowth = 8 << 20

// Large frames pass both ways, at once, through one sidecar and through a chain
// over HTTP/2, while small calls beside them keep going; the proxy's memory
// does not grow with them.
func TestLargeFrames(t *testing.T) {
	size := largeSize()
	for _, middle := range []string{"SofaRpc", "Http2"} {
		t.Run("over "+middle, func(t *testing.T) {
			up := startLargeService(t)
			address, between := freeAddress(t), freeAddress(t)
			hops := []hop{
				{name: "near", listen: address, down: "SofaRpc", up: middle, hosts: []string{between}},
				{name: "far", listen: between, down: middle, up: "SofaRpc", hosts: []string{up}},
			}
			if middle == "SofaRpc" {
				hops = []hop{{name: "one", listen: address, down: "SofaRpc", up: "SofaRpc", hosts: []string{up}}}
			}
			cmd, _ := startCommand(t, writeConfig(t, configOf(hops...)), address)
			warm(t, address)
			alone := measureSmall(t, address, func() {
				time.Sleep(500 * time.Millisecond) // the time that is measured
			})
			before := rss(t, cmd.Process.Pid)
			var peak atomic.Int64
			done := make(chan struct{})
			go func() {
				for {
					select {
					case <-done:
						return
					case <-time.After(5 * time.Millisecond):
						peak.Store(max(peak.Load(), int64(rss(t, cmd.Process.Pid))))
					}
				}
			}()
			began := time.Now()
			beside := measureSmall(t, address, func() {
				var wg sync.WaitGroup
				for name, move := range map[string]func(string, int) error{"request": sendLarge, "reply": takeLarge} {
					wg.Go(func() {
						if err := move(address, size); err != nil {
							t.Errorf("large %s: %v", name, err)
						}
					})
				}
				wg.Wait()
			})
			took := time.Since(began)
			close(done)
			growth := int(peak.Load()) - before
			t.Logf("2 x %d MiB in %v; memory %.1f MiB, grew by %.1f MiB; p99 of 1 KiB calls %v alone, %v beside (%d and %d calls)",
				size>>20, took.Round(time.Millisecond), float64(before)/(1<<20), float64(growth)/(1<<20),
				p99(alone), p99(beside), len(alone), len(beside))
			if growth > maxGrowth {
				t.Errorf("the proxy's memory grew by %d bytes", growth)
			}
		})
	}
}

// warm makes the proxy have what it has in the steady state.
func warm(t *testing.T, address string) {
	t.Helper()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, move := range []func(string, int) error{sendLarge, takeLarge} {
				if err := move(address, 4<<20); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// measureSmall makes small calls while f runs.
func measureSmall(t *testing.T, address string, f func()) []time.Duration {
	t.Helper()
	stop, result := make(chan struct{}), make(chan []time.Duration)
	go func() { result <- smallCalls(t, address, stop) }()
	f()
	close(stop)
	return <-result
}

// A client that stops in the middle of a large request holds up nobody, and its
// request ends well when it goes on.
func TestSlowSender(t *testing.T) {
	for _, up := range protocols {
		t.Run(up, func(t *testing.T) {
			host := startBoltService(t, "127.0.0.1:0", echoBolt).address()
			if up == "Http2" {
				host = startH2Service(t, "127.0.0.1:0", echoH2).address()
			}
			p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: up, hosts: []string{host}}))
			const senders = 8
			f := newBoltRequest(service, body(200_000))
			frame := f.encode()
			var slow []net.Conn
			for i := range senders {
				c := dial(t, p.address("in"))
				c.Write(frame[:len(frame)*(i+1)/(senders+1)])
				slow = append(slow, c)
			}
			var seen outcomes
			callMany(t, "SofaRpc", p.address("in"), 500, &seen, new(atomic.Int64))
			if seen.counts["ok"] != 500 {
				t.Errorf("beside slow senders: %v", seen.counts)
			}
			for i, c := range slow {
				c.Write(frame[len(frame)*(i+1)/(senders+1):])
				r, err := readBolt(newReader(c))
				if err != nil {
					t.Fatal(err)
				}
				wantBoltEcho(t, f, r)
			}
			p.wantOK(500 + senders)
		})
	}
}

// A listener's own limit holds for requests and for replies.
func TestMaxFrameSize(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		r := f.reply()
		if f.get("service") == "large" {
			r.content = body(200_000)
		}
		return []boltFrame{r}
	})
	text := strings.Replace(configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}}),
		`"downstream_protocol"`, `"extend_config": {"bolt": {"max_frame_size": 100000}}, "downstream_protocol"`, 1)
	p := startProxy(t, text)
	c := dialBolt(t, p.address("in"))
	f := newBoltRequest(service, body(99_000))
	wantBoltEcho(t, f, c.mustCall(t, f))
	wantBoltFailure(t, c.mustCall(t, newBoltRequest("large", nil)), 8, codec.BodyTooLarge)
	wantBoltEcho(t, f, c.mustCall(t, f))
	// Nothing is known of what follows a frame that is not read, so that the
	// connection ends with the answer.
	f = newBoltRequest(service, body(100_001))
	wantBoltFailure(t, c.mustCall(t, f), 8, codec.BodyTooLarge)
	<-c.done
	p.wantNothingHeld()
}
