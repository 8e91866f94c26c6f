// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const exposition = `# HELP go_cpu_classes_gc_total_cpu_seconds_total Estimated.
# TYPE go_cpu_classes_gc_total_cpu_seconds_total counter
go_cpu_classes_gc_total_cpu_seconds_total 0.25
go_gc_duration_seconds{quantile="0"} 0.000584782
go_memstats_mallocs_total 1.5e+06
sideloop_downstream_requests_total 3000
sideloop_listener_requests_total{listener="in"} 1
process_cpu_seconds_total 2.5
`

func TestParseCounters(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"all", exposition, ""},
		{"none", "", "0 of 4 metrics"},
		{"one less", strings.Replace(exposition, "process_cpu", "process_", 1), "3 of 4 metrics"},
		{"no number", strings.Replace(exposition, "3000", "many", 1), "metric sideloop_downstream_requests_total: "},
	} {
		got, err := parseCounters(c.text)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: the error is %v", c.name, err)
			}
			continue
		}
		if err != nil || got != (counters{collector: 0.25, cpu: 2.5, allocs: 1.5e6, requests: 3000}) {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

// Two proxies behind each other take twice the time for the same requests.
func TestScrape(t *testing.T) {
	page := exposition
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/metrics" && q.Header.Get("Accept-Encoding") == "" {
			_, _ = w.Write([]byte(page))
		}
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	w := &way{admins: []string{address, address}}
	if got, err := w.scrape(soon(t)); err != nil || got != (counters{collector: 0.5, cpu: 5, allocs: 3e6, requests: 3000}) {
		t.Errorf("%+v, %v", got, err)
	}
	page = "nothing"
	if _, err := w.scrape(soon(t)); err == nil || !strings.Contains(err.Error(), address+": 0 of 4 metrics") {
		t.Errorf("a page without metrics: %v", err)
	}
}
