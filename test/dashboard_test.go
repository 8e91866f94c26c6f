// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// The page is for browsers, may load nothing from elsewhere, and its files are
// all there.
func TestDashboardPage(t *testing.T) {
	o := operate(t, configOf(echoThrough(t, "127.0.0.1:0")))
	get := func(path string) (*http.Response, string) {
		q, err := http.NewRequest("GET", o.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		r, err := adminClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return r, string(text)
	}
	r, text := get("/")
	if ct := r.Header.Get("Content-Type"); ct != "text/html; charset=utf-8" || !strings.HasPrefix(text, "<!doctype html>") {
		t.Fatalf("%s: %.40s", ct, text)
	}
	policy := r.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %s", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
	if m := regexp.MustCompile(`(?i)https?://|<style|style=|\son\w+=|<script>`).FindString(text); m != "" {
		t.Errorf("the page has %q", m)
	}
	seen := map[string]bool{"/": true}
	for queue := []string{text}; len(queue) > 0; queue = queue[1:] {
		for _, m := range regexp.MustCompile(`(?:src|href)="(/dashboard/[^"]+)"|from "\./([^"]+)"`).FindAllStringSubmatch(queue[0], -1) {
			path := m[1]
			if path == "" {
				path = "/dashboard/" + m[2]
			}
			if seen[path] {
				continue
			}
			seen[path] = true
			r, text := get(path)
			if r.StatusCode != http.StatusOK || r.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %s", path, r.Status)
			}
			queue = append(queue, text)
		}
	}
	for _, want := range []string{"/dashboard/style.css", "/dashboard/main.js", "/dashboard/model.js", "/dashboard/clusters.js", "/dashboard/icon.svg"} {
		if !seen[want] {
			t.Errorf("%s is not loaded", want)
		}
	}
}

// overviewOf is what the tests look at in /overview.
type overviewOf struct {
	At        float64           `json:"at"`
	Failures  map[string]uint64 `json:"failures"`
	Listeners []struct {
		Name     string            `json:"name"`
		Requests uint64            `json:"requests"`
		Active   uint64            `json:"requests_active"`
		Replies  map[string]uint64 `json:"replies"`
		Failed   map[string]uint64 `json:"failed"`
		Duration *struct {
			Sum     float64     `json:"sum_seconds"`
			Buckets [][2]uint64 `json:"buckets"`
		} `json:"duration"`
	} `json:"listeners"`
	Clusters []struct {
		Name     string `json:"name"`
		Requests uint64 `json:"requests"`
		Hosts    []struct {
			Tries  uint64  `json:"tries"`
			Failed uint64  `json:"tries_failed"`
			Spent  float64 `json:"tries_seconds"`
		} `json:"hosts"`
	} `json:"clusters"`
	Loops  []struct{ Stuck bool }
	Memory struct {
		Resident uint64 `json:"resident"`
	} `json:"memory"`
	Recent []failureOf `json:"recent_failures"`
}

type failureOf struct {
	At       float64 `json:"at"`
	Reason   string  `json:"reason"`
	Listener string  `json:"listener"`
	Cluster  string  `json:"cluster"`
	Host     string  `json:"host"`
	Protocol string  `json:"protocol"`
	Request  string  `json:"request"`
	Duration float64 `json:"duration_seconds"`
	Waiting  float64 `json:"waiting_seconds"`
	Upstream float64 `json:"upstream_seconds"`
	Reply    float64 `json:"reply_seconds"`
}

func (o *operated) overview() (v overviewOf) {
	o.t.Helper()
	_, text := o.ask("GET", "/overview", "")
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		o.t.Fatal(err)
	}
	return v
}

// A known run is what /overview says.
func TestOverviewOfAKnownRun(t *testing.T) {
	dead := hop{name: "dead", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{freeAddress(t)}}
	o := operate(t, configOf(echoThrough(t, "127.0.0.1:0"), dead))
	const served, failed = 41, 7
	c, d := dialBolt(t, o.address("in")), dialBolt(t, o.address("dead"))
	for range served {
		c.mustCall(t, newBoltRequest(service, body(100)))
	}
	for range failed {
		d.mustCall(t, newBoltRequest(service, nil))
	}
	var v overviewOf
	eventually(t, "all has ended", func() bool {
		v = o.overview()
		return v.Clusters[0].Requests == served && v.Clusters[1].Requests == failed
	})
	in, gone := v.Listeners[0], v.Listeners[1]
	count := uint64(0)
	for _, b := range in.Duration.Buckets {
		count += b[1]
	}
	if in.Requests != served || in.Active != 0 || in.Replies["2xx"] != served || len(in.Failed) != 0 || count != served {
		t.Errorf("%+v, %d durations", in, count)
	}
	if gone.Failed["connect_failed"] != failed || v.Failures["connect_failed"] != failed {
		t.Errorf("%+v, %v", gone, v.Failures)
	}
	if h := v.Clusters[0].Hosts[0]; h.Tries != served || h.Failed != 0 || h.Spent <= 0 {
		t.Errorf("the host that serves: %+v", h)
	}
	if h := v.Clusters[1].Hosts[0]; h.Failed != h.Tries {
		t.Errorf("the host that does not: %+v", h)
	}
	if len(v.Loops) != 2 || v.Memory.Resident == 0 || len(v.Recent) != failed {
		t.Errorf("%d loops, %d bytes, %d failures", len(v.Loops), v.Memory.Resident, len(v.Recent))
	}
}

// However many look, they share one document a second.
func TestOverviewIsShared(t *testing.T) {
	o := operate(t, configOf(echoThrough(t, "127.0.0.1:0")))
	began := time.Now()
	var all sync.Map
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 10 {
				_, text := o.ask("GET", "/overview", "")
				all.Store(text, true)
			}
		})
	}
	wg.Wait()
	n := 0
	all.Range(func(any, any) bool { n++; return true })
	if limit := int(time.Since(began)/time.Second) + 1; n > limit {
		t.Errorf("%d documents in %d s", n, limit)
	}
}

// A name may have what a page or a document ends with.
func TestOverviewIsValidWhateverNamesHave(t *testing.T) {
	text := configOf(echoThrough(t, "127.0.0.1:0"))
	text = strings.ReplaceAll(text, `"name": "in", "type"`, `"name": "</script>\u0007\"", "type"`)
	o := operate(t, text)
	_, got := o.ask("GET", "/overview", "")
	if !json.Valid([]byte(got)) || bytes.Contains([]byte(got), []byte("</script>")) {
		t.Errorf("%s", got)
	}
}
