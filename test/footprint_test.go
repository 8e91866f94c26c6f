// SPDX-License-Identifier: Apache-2.0

//go:build !race

package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
)

// A large mesh: what one proxy has to know of it, mostly in vain.
const (
	meshClusters = 200
	meshHosts    = 10 // of each cluster
)

// footprint is what /memory tells.
type footprint struct {
	Resident uint64            `json:"resident"`
	Anon     uint64            `json:"resident_anonymous"`
	Go       map[string]uint64 `json:"go"`
}

func (p *process) get(path string) []byte {
	p.t.Helper()
	r, err := adminClient.Get("http://" + p.address + path)
	if err != nil {
		p.t.Fatalf("%v: %s", err, p.out)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		p.t.Fatalf("%s: %s, %v", path, r.Status, err)
	}
	return text
}

func (p *process) footprint() (f footprint) {
	p.t.Helper()
	if err := json.Unmarshal(p.get("/memory"), &f); err != nil {
		p.t.Fatal(err)
	}
	return f
}

// largeConfig is a configuration of so many clusters, each with a listener and a route.
func largeConfig(clusters int) string {
	var hops []hop
	for i := range clusters {
		h := hop{name: fmt.Sprintf("service-%03d", i), listen: fmt.Sprintf("127.0.1.%d:20880", 1+i), down: "SofaRpc", up: "SofaRpc"}
		for n := range meshHosts {
			h.hosts = append(h.hosts, fmt.Sprintf("10.0.%d.%d:12200", i, n))
		}
		hops = append(hops, h)
	}
	return configOf(hops...)
}

func TestFootprintOfALargeConfiguration(t *testing.T) {
	const limit = 40 << 20 // of resident memory
	var heaps []uint64
	for _, size := range []int{1, meshClusters} {
		address := freeAddress(t)
		p := startProcess(t, address, "-c", writeConfig(t, withAdmin(largeConfig(size), address, "")))
		if size == 1 {
			heaps = append(heaps, p.footprint().Go["heap_objects"])
			p.signal(syscall.SIGTERM)
			p.wantEnd()
			continue
		}
		f := p.footprint()
		heaps = append(heaps, f.Go["heap_objects"])
		objects := uint64(size * (meshHosts + 2))
		t.Logf("%d KiB resident, %d anonymous; %d bytes of heap per object of %d", f.Resident>>10, f.Anon>>10, (heaps[1]-heaps[0])/objects, objects)
		if f.Resident > limit {
			t.Errorf("%d KiB resident", f.Resident>>10)
		}
		scrape := p.get("/metrics?hosts=true")
		after := p.footprint()
		t.Logf("a scrape of %d KiB: %d KiB resident after it, %d anonymous", len(scrape)>>10, after.Resident>>10, after.Anon>>10)
		// Of anonymous memory: pages of the program come back with its first use.
		const scrapeLimit = 6 << 20
		if grown := int64(after.Anon) - int64(f.Anon); grown > scrapeLimit {
			t.Errorf("a scrape of all hosts costs %d KiB", grown>>10)
		}
		if after.Resident > limit {
			t.Errorf("%d KiB resident after a scrape", after.Resident>>10)
		}
	}
}
