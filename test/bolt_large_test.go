// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"io"
	"net"
	"os"
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

// maxGrowth is how much the proxy's resident memory may grow while large frames
// pass, whatever their size.
const maxGrowth = 8 << 20

// Large frames pass both ways, at once and as fast as they can, through one sidecar and through a chain
// over HTTP/2, while small calls beside them keep going; the proxy's memory
// does not grow with them.
func TestLargeFrames(t *testing.T) {
	size := largeSize()
	for _, middle := range []string{"SofaRpc", "Http2"} {
		t.Run("over "+middle, func(t *testing.T) {
			up := startEchoProcess(t, largeProtocol).address
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
			moved := startMove(t, address, size, unpaced)
			beside := smallCalls(t, address, moved)
			took := time.Since(began)
			close(done)
			growth := int(peak.Load()) - before
			t.Logf("2 x %d MiB in %v beside %d calls of 1 KiB, half of them in %v; memory %.1f MiB, grew by %.1f MiB",
				size>>20, took.Round(time.Millisecond), len(beside), percentile(beside, 50), float64(before)/(1<<20), float64(growth)/(1<<20))
			if growth > maxGrowth {
				t.Errorf("the proxy's memory grew by %d bytes", growth)
			}
		})
	}
}

// stallEach is how much a client that does not read a large reply may cost: what
// its connection waits to send, 32 KiB and a read of 64 KiB on top, over twice
// because of the collector.
const stallEach = 256 << 10

// Large replies that nobody reads cost little each.
func TestStalledFramesInMemory(t *testing.T) {
	up := startEchoProcess(t, largeProtocol).address
	address := freeAddress(t)
	cmd, _ := startCommand(t, writeConfig(t, configOf(hop{name: "in", listen: address, down: "SofaRpc", up: "SofaRpc", hosts: []string{up}})), address)
	warm(t, address)
	before := rss(t, cmd.Process.Pid)
	const clients = 16
	for range clients {
		c := dial(t, address)
		f := newBoltRequest(fmt.Sprintf("give:%d:%d", giant, unpaced), nil)
		c.Write(f.encode())
		if _, err := io.ReadFull(c, make([]byte, 1<<10)); err != nil {
			t.Fatal(err)
		}
	}
	last, same := 0, 0
	eventually(t, "memory is at rest", func() bool {
		if n := rss(t, cmd.Process.Pid); n != last {
			last, same = n, 0
		} else {
			same++
		}
		return same > 100
	})
	t.Logf("%d KiB more are resident", (last-before)>>10)
	if last-before > clients*stallEach {
		t.Errorf("%d KiB more are resident", (last-before)>>10)
	}
}

// warm makes the proxy have what it has in the steady state.
func warm(t *testing.T, address string) {
	t.Helper()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := moveLarge(address, 4<<20, unpaced, func() {}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
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
