// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bufio"
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
)

const (
	// besideRate is the rate in bytes per second of a large request and of a
	// large reply that are measured beside: together 1.6 GBit/s, which leaves
	// CPU to the small calls even where two CPUs are all that proxy, client and
	// hosts have together. How fast large frames can be is another matter, see
	// TestLargeFrames.
	besideRate = 100e6
	// besidePart is what moves, each way, before the two ways take turns: often
	// enough that what else the machine does meets both.
	besidePart = 64 << 20
	// besideFactor is how much slower small calls may be.
	besideFactor = 2
)

// moveVariable makes the test's binary move large frames: "ADDRESS SIZE RATE".
const moveVariable = "SIDELOOP_TEST_MOVE"

// moving is what it says when they are on their way.
const moving = "moving"

// runMove returns the exit code.
func runMove(what string) int {
	var address string
	var size, rate int
	fmt.Sscan(what, &address, &size, &rate)
	if err := moveLarge(address, size, rate, func() { fmt.Println(moving) }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// startMove runs moveLarge in a process of its own and returns when the frames
// are on their way. The channel is closed when they have arrived.
func startMove(t *testing.T, address string, size, rate int) (moved <-chan struct{}) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", moveVariable, address, size, rate))
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != moving+"\n" {
		cmd.Wait()
		t.Fatalf("large frames do not move: %q, %v, %s", line, err, said.String())
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := cmd.Wait(); err != nil {
			t.Errorf("large frames: %v, %s", err, said.String())
		}
	}()
	return done
}

// smallCalls makes calls of 1 KiB until stopped and returns how long each took.
func smallCalls(t testing.TB, address string, stop <-chan struct{}) []time.Duration {
	var all []time.Duration
	c := dialBolt(t, address)
	f := newBoltRequest("take", body(1024))
	want := fmt.Sprintf("%08x", crc32.ChecksumIEEE(f.content))
	for {
		began := time.Now()
		r, err := c.call(f)
		all = append(all, time.Since(began))
		if err != nil || r.status != 0 || string(r.content) != want {
			t.Errorf("a small call: %v, status %d, %q", err, r.status, r.get(codec.ReasonHeader))
			return all
		}
		select {
		case <-stop:
			return all
		case <-time.After(200 * time.Microsecond): // a steady caller, not a second flood
		}
	}
}

func percentile(all []time.Duration, p int) time.Duration {
	slices.Sort(all)
	return all[len(all)*p/100]
}

// Small calls hardly notice large frames that pass through the same proxy, on
// other connections, be it for the same cluster or for another.
//
// What is compared: the p99 of small calls through the proxy while a large
// request and a large reply at a given rate pass through it, too, with the same
// while they pass beside it, straight between the same kind of client and the
// same host. So both have the machine's CPUs and the host's to share with the
// ends of the transfer, and what differs is the proxy. A small call that was
// already on an upstream connection when a large reply began there waits for its
// end, as Bolt has it: the small calls begin after that.
func TestSmallCallsBesideLargeFrames(t *testing.T) {
	for _, middle := range []string{"SofaRpc", "Http2"} {
		t.Run("over "+middle, func(t *testing.T) {
			host, other := startEchoProcess(t, largeProtocol), startEchoProcess(t, largeProtocol)
			same := besideHops("same", middle, freeAddress(t), freeAddress(t), host.address)
			apart := besideHops("other", middle, freeAddress(t), freeAddress(t), other.address)
			near := same[0].listen
			startCommand(t, writeConfig(t, configOf(append(same, apart...)...)), near)
			warm(t, near)
			clusters := []string{near, apart[0].listen}
			var direct, through [2][]time.Duration
			for left := largeSize(); left > 0; left -= besidePart {
				besideMove(t, host.address, min(left, besidePart), clusters, &direct)
				besideMove(t, near, min(left, besidePart), clusters, &through)
			}
			for i, cluster := range []string{"same", "other"} {
				logCalls(t, cluster+" cluster, large frames elsewhere", direct[i])
				logCalls(t, cluster+" cluster, large frames beside", through[i])
				with, without := percentile(through[i], 99), percentile(direct[i], 99)
				if os.Getenv("SIDELOOP_SOAK") != "" && with > besideFactor*without {
					t.Errorf("%s cluster: p99 of small calls is %v, without large frames in the proxy %v", cluster, with, without)
				}
			}
		})
	}
}

// besideHops is the way to a host through one proxy, or two with HTTP/2 between
// them.
func besideHops(name, middle, near, far, host string) []hop {
	if middle == "SofaRpc" {
		return []hop{{name: name, listen: near, down: "SofaRpc", up: "SofaRpc", hosts: []string{host}}}
	}
	return []hop{
		{name: name, listen: near, down: "SofaRpc", up: middle, hosts: []string{far}},
		{name: name + " far", listen: far, down: middle, up: "SofaRpc", hosts: []string{host}},
	}
}

// besideMove moves large frames of size bytes to address and back, and adds how
// long small calls at each of the other addresses took meanwhile.
func besideMove(t *testing.T, address string, size int, small []string, took *[2][]time.Duration) {
	t.Helper()
	moved := startMove(t, address, size, besideRate)
	var wg sync.WaitGroup
	for i, a := range small {
		wg.Go(func() { took[i] = append(took[i], smallCalls(t, a, moved)...) })
	}
	wg.Wait()
}

func logCalls(t *testing.T, what string, all []time.Duration) {
	t.Helper()
	t.Logf("%s: p50 %v, p90 %v, p99 %v, max %v of %d calls", what,
		percentile(all, 50), percentile(all, 90), percentile(all, 99), all[len(all)-1], len(all))
}
