// SPDX-License-Identifier: Apache-2.0

package server

import (
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"
)

// heap is what the system has given the heap and not been given back.
func heap() uint64 {
	_, resident := newReturner(0).read()
	return resident
}

// grow makes the heap large and lets go of it where the collector has found all
// of it in use.
func grow() {
	var pieces [][]byte
	for range 64 {
		pieces = append(pieces, make([]byte, 1<<20))
	}
	runtime.GC()
	runtime.KeepAlive(pieces)
}

func TestReturnMemory(t *testing.T) {
	debug.FreeOSMemory()
	before := heap()
	// Longer than any cycle takes, also on a busy machine.
	stop := returnMemory(200 * time.Millisecond)
	for range 2 {
		grow()
		for deadline := time.Now().Add(20 * time.Second); heap() > before+heapFloor; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the heap takes %d KiB, %d before it grew", heap()>>10, before>>10)
			}
		}
	}
	stop()
	grow()
	if heap() < before+32<<20 {
		t.Errorf("the heap takes %d KiB of 64 MiB that nobody has collected", heap()>>10)
	}
	debug.FreeOSMemory()
}

// A look does not take a cycle for its own that comes while it returns memory,
// and that may have found in use what is garbage now.
func TestReturnMemoryOfALaterCycle(t *testing.T) {
	r := newReturner(0)
	for range 10 {
		grow()
		var looking sync.WaitGroup
		looking.Go(r.look)
		grow()
		looking.Wait()
		r.look()
		if n := heap(); n > 32<<20 {
			t.Fatalf("the heap takes %d KiB", n>>10)
		}
	}
}

// What does not collect is not looked at.
func TestReturnMemoryRests(t *testing.T) {
	stop := returnMemory(time.Millisecond)
	defer stop()
	grow()
	var m runtime.MemStats
	settled := func() bool {
		runtime.ReadMemStats(&m)
		before := m.NumGC
		time.Sleep(100 * time.Millisecond) // a hundred looks, did they go on
		runtime.ReadMemStats(&m)
		return m.NumGC == before
	}
	for deadline := time.Now().Add(10 * time.Second); !settled(); {
		if time.Now().After(deadline) {
			t.Fatal("the collector does not come to rest")
		}
	}
}
