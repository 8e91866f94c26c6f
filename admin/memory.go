// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"net/http"
	"os"
	runtimemetrics "runtime/metrics"
	"strconv"
	"strings"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/server"
)

// memoryReport is where the process's memory is, in bytes.
type memoryReport struct {
	// Resident is what the system has given, RssAnon the part of it that is
	// not files.
	Resident uint64 `json:"resident"`
	RssAnon  uint64 `json:"resident_anonymous"`
	// Held is what loops hold for peers, by purpose.
	Held map[string]int `json:"held"`
	// Connections is how many are open, of both sides.
	Connections uint64            `json:"connections"`
	Go          map[string]uint64 `json:"go"`
}

// goMemory is Go's own classes by their names here.
var goMemory = map[string]string{
	"heap_objects":  "/memory/classes/heap/objects:bytes",
	"heap_unused":   "/memory/classes/heap/unused:bytes",
	"heap_free":     "/memory/classes/heap/free:bytes",
	"heap_released": "/memory/classes/heap/released:bytes",
	"stacks":        "/memory/classes/heap/stacks:bytes",
	"metadata":      "/memory/classes/metadata/other:bytes",
	"profiling":     "/memory/classes/profiling/buckets:bytes",
	"other":         "/memory/classes/other:bytes",
	"total":         "/memory/classes/total:bytes",
}

func (a *admin) memory(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, reportMemory(a.control.Sample()))
}

func reportMemory(sample *server.Sample) memoryReport {
	r := memoryReport{Held: make(map[string]int), Go: make(map[string]uint64)}
	r.Resident, r.RssAnon = resident()
	for _, l := range sample.Loops {
		r.Connections += l.Turns.Conns
		for p, n := range l.Held {
			r.Held[purposes[p]] += n
		}
	}
	var samples []runtimemetrics.Sample
	var names []string
	for name, key := range goMemory {
		names, samples = append(names, name), append(samples, runtimemetrics.Sample{Name: key})
	}
	runtimemetrics.Read(samples)
	for i, s := range samples {
		if s.Value.Kind() == runtimemetrics.KindUint64 {
			r.Go[names[i]] = s.Value.Uint64()
		}
	}
	return r
}

// purposes are the names of what bytes are held for.
var purposes = [codec.PurposeCount]string{codec.Gather: "gather", codec.Hold: "hold", codec.Replay: "replay"}

// resident reads the process's memory as the system counts it, 0 where it does
// not.
func resident() (all, anonymous uint64) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		n, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			all = n << 10
		case "RssAnon":
			anonymous = n << 10
		}
	}
	return all, anonymous
}
