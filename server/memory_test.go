// SPDX-License-Identifier: Apache-2.0

package server

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// heap is what the system has given the heap and not been given back.
func heap() uint64 {
	r := returner{samples: []metrics.Sample{
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}}
	_, resident := r.read()
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
	stop := returnMemory(20 * time.Millisecond)
	for range 2 {
		grow()
		for deadline := time.Now().Add(10 * time.Second); heap() > before+heapFloor; time.Sleep(10 * time.Millisecond) {
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
