// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"
)

// A client that behaves has a proxy beside an attacker that is cut off again and
// again. What the attacker takes of the machine's processors only by sending is
// not the proxy's doing; so the client's 99th percentile is compared with what
// it is while the same attacker sends the same, as fast, to a socket that drops
// all. The two take turns, and the median of the rounds counts.
func TestCitizenBesideFloods(t *testing.T) {
	for _, x := range []struct{ flood, word string }{
		{"ping", "ping_flood"},
		{"priority", "priority_flood"},
		{"settings", "settings_flood"},
		{"rapid reset", "reset_unprocessed"},
		{"wide requests", "reset_unprocessed"},
		{"header bomb", "header_too_large"},
		{"connections", ""},
	} {
		t.Run(x.flood, func(t *testing.T) {
			b := newBeside(t, x.flood)
			b.rounds(full(6, 1), time.Duration(full(1000, 100))*time.Millisecond)
			if x.word != "" {
				b.wantGlitch(x.word)
			}
			b.wantUnnoticed()
			b.wantMemoryBack()
		})
	}
}

// beside is a proxy in a process of its own with a client that behaves, and an
// attacker of another.
type beside struct {
	world
	process, sink, attacker *process

	alone           time.Duration // the citizen's 99th percentile without an attacker
	dropped, during []time.Duration
	rss             int
}

func newBeside(t *testing.T, flood string) *beside {
	b := &beside{world: world{t: t}}
	service := b.startService()
	b.sink = startProcess(t, "sink", "")
	b.process = startProcess(t, "proxy", setup{limits: hundred}.configuration(service, b.sink.first))
	b.attacker = startProcess(t, "attacker", flood)
	b.citizen = startCitizen(t, b.process.first)
	t.Cleanup(b.citizen.end)
	return b
}

// rounds measures the citizen alone, and then in turns beside an attacker of
// nobody and beside one of the proxy.
func (b *beside) rounds(n int, each time.Duration) {
	b.citizen.still(b.t, 20)
	b.process.ask(collect)
	b.citizen.percentile()
	time.Sleep(each)
	b.alone, b.rss = b.citizen.percentile(), residentMemory(b.t, b.process.pid())
	for range n {
		b.dropped = append(b.dropped, b.window("nobody", b.sink.first, each))
		b.during = append(b.during, b.window("the proxy", b.process.first, each))
	}
}

// window is the citizen's 99th percentile while an address is attacked.
func (b *beside) window(who, address string, d time.Duration) time.Duration {
	b.attacker.ask(address)
	b.citizen.percentile()
	before := b.process.cpu()
	time.Sleep(d)
	p, used := b.citizen.percentile(), b.process.cpu()-before
	var conns, bytes int
	fmt.Sscan(b.attacker.ask(""), &conns, &bytes)
	b.t.Logf("%s was sent %d KiB by %d connections; citizen: p99 %v; the proxy used %d%% of a processor", who, bytes>>10, conns, p, int(100*used/d))
	return p
}

func (b *beside) wantGlitch(word string) {
	b.t.Helper()
	b.eventually(word, func() bool {
		n, _ := strconv.Atoi(b.process.ask(word))
		return n > 0
	})
}

func median(list []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// wantUnnoticed holds the 99th percentile beside an attacker of the proxy to
// twice of what it is beside one of nobody.
func (b *beside) wantUnnoticed() {
	b.t.Helper()
	dropped, during := median(b.dropped), median(b.during)
	b.t.Logf("citizen: p99 %v alone, %v beside an attacker of nobody, %v beside an attacker of the proxy", b.alone, dropped, during)
	if soak && during > 2*dropped {
		b.t.Errorf("the citizen's 99th percentile is %v beside an attack; want at most twice %v", during, dropped)
	}
}

const (
	// garbage is what Go's collector lets be of however small a heap.
	garbage = 4 << 20 * proxyGCPercent / 100
	// collector is what it takes for itself once it has been busy, and keeps.
	collector = 1 << 20
)

// wantMemoryBack waits until the proxy's process is about as small as before.
// Nobody tells it to return any.
func (b *beside) wantMemoryBack() {
	b.t.Helper()
	const patience = 10 * time.Second
	after, begin := residentMemory(b.t, b.process.pid()), time.Now()
	limit := b.rss + max(b.rss/10, garbage+collector)
	rss := after
	for ; rss > limit && time.Since(begin) < patience; time.Sleep(100 * time.Millisecond) {
		rss = residentMemory(b.t, b.process.pid())
	}
	b.t.Logf("resident memory: %d KiB before the attack, %d at its end, %d after %v", b.rss>>10, after>>10, rss>>10, time.Since(begin).Round(100*time.Millisecond))
	if soak && rss > limit {
		b.t.Errorf("%d KiB are resident %v after the attack, %d before", rss>>10, patience, b.rss>>10)
	}
}
