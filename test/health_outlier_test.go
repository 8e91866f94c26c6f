// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	clusterhealth "github.com/sideloop/sideloop/cluster/health"
)

var ejectedHost = clusterhealth.Verdict{Ejected: true}

// outliers is an outlier_detection; keys are further ones, each beginning with
// a comma.
func outliers(keys string) string {
	return `, "outlier_detection": {"max_ejection_percent": 50` + keys + `}`
}

// sickService answers well or, while it is sick, in another way.
type sickService struct {
	*h2Service
	sick atomic.Bool
	used atomic.Int64
}

func startSick(t *testing.T, ail http.HandlerFunc) *sickService {
	s := new(sickService)
	s.h2Service = startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		s.used.Add(1)
		if s.sick.Load() {
			ail(w, r)
		}
	})
	return s
}

// startSicks starts n services and a proxy before them.
func startSicks(t *testing.T, n int, ail http.HandlerFunc, kv string) (*proxy, []*sickService) {
	var all []*sickService
	var hosts []string
	for range n {
		s := startSick(t, ail)
		all, hosts = append(all, s), append(hosts, s.address())
	}
	return startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", match: anyRequest, hosts: hosts, clusterKV: kv})), all
}

func answering(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// callUntil makes requests until ok is true.
func (p *proxy) callUntil(what string, ok func() bool) {
	p.t.Helper()
	c := newH2Client(p.t)
	eventually(p.t, what, func() bool {
		postH2(p.t, c, p.address("in"), nil, true, nil)
		return ok()
	})
}

// Failures in a row eject a host, at once; it returns after its time and is
// ejected for longer if it has not recovered.
func TestConsecutiveFailuresEject(t *testing.T) {
	t.Parallel() // it waits for most of the time
	for name, tt := range map[string]struct {
		ail        http.HandlerFunc
		keys, kind string
	}{
		"500":     {answering(500), `, "base_ejection_time": "300ms", "interval": "1h", "consecutive_5xx": 4`, "CONSECUTIVE_5XX"},
		"503":     {answering(503), `, "base_ejection_time": "300ms", "interval": "1h", "consecutive_5xx": 0, "consecutive_gateway_failure": 4, "enforcing_consecutive_gateway_failure": 100`, "CONSECUTIVE_GATEWAY_FAILURE"},
		"aborted": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, `, "base_ejection_time": "300ms", "interval": "1h", "split_external_local_origin_errors": true, "consecutive_local_origin_failure": 4`, "CONSECUTIVE_LOCAL_ORIGIN_FAILURE"},
	} {
		t.Run(name, func(t *testing.T) {
			p, s := startSicks(t, 2, tt.ail, outliers(tt.keys))
			sick := s[1].address()
			p.callUntil("both hosts are used", func() bool { return s[0].used.Load() > 0 && s[1].used.Load() > 0 })
			s[1].sick.Store(true)
			p.callUntil("the host is ejected", func() bool { return p.hostHealth(sick).Verdict == ejectedHost })
			if h := p.hostHealth(sick); h.EjectedBy != tt.kind || h.Ejections != 1 || h.EjectedUntil.IsZero() {
				t.Errorf("ejected as %+v", h)
			}
			if h := p.hostHealth(s[0].address()); h.Verdict != healthyHost {
				t.Errorf("the other host is %+v", h)
			}
			p.callUntil("it is ejected again", func() bool { return p.hostHealth(sick).Ejections == 2 && p.hostHealth(sick).Ejected })
			if left := time.Until(p.hostHealth(sick).EjectedUntil); left > 600*time.Millisecond {
				t.Errorf("the second ejection lasts %v more; it is twice the first", left)
			}
			s[1].sick.Store(false)
			p.turnsOut(sick, healthyHost)
			before := s[1].used.Load()
			p.callUntil("it is used again", func() bool { return s[1].used.Load() > before })
		})
	}
}

// A client with bad luck on one connection does not get a host ejected that
// serves others well.
func TestSuccessElsewhereEndsARun(t *testing.T) {
	s := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("x-poison") != "" {
			w.WriteHeader(500)
		}
	})
	other := startH2Service(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) {})
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", match: anyRequest,
		hosts: []string{s.address(), other.address()}, clusterKV: outliers(`, "consecutive_5xx": 10, "interval": "1h"`)}))
	poison, well := newH2Client(t), newH2Client(t) // a loop each
	for range 50 {
		postH2(t, poison, p.address("in"), nil, true, http.Header{"X-Poison": {"1"}})
		for range 4 {
			postH2(t, well, p.address("in"), nil, true, nil)
		}
	}
	if h := p.hostHealth(s.address()); h.Ejections != 0 {
		t.Errorf("ejected: %+v", h)
	}
}

// Bolt replies count by their status.
func TestBoltStatusEjects(t *testing.T) {
	bad := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		r := f.reply()
		r.status = 4 // busy
		return []boltFrame{r}
	})
	good := startBoltService(t, "127.0.0.1:0", echoBolt)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc",
		hosts: []string{bad.address(), good.address()}, clusterKV: outliers(`, "interval": "1h", "base_ejection_time": "1h", "max_ejection_time": "1h"`)}))
	c := dialBolt(t, p.address("in"))
	eventually(t, "the host is ejected", func() bool {
		c.mustCall(t, newBoltRequest(service, nil))
		return p.hostHealth(bad.address()).Verdict == ejectedHost
	})
	eventually(t, "the loops know", func() bool {
		for range 4 {
			if c.mustCall(t, newBoltRequest(service, nil)).status != 0 {
				return false
			}
		}
		return true
	})
	wantEchoes(t, c, 20)
}

// By success rate: a host that fails every third request never fails five in a
// row, but stands out among five.
func TestSuccessRateEjects(t *testing.T) {
	log := filepath.Join(t.TempDir(), "outliers.log")
	var n atomic.Int64
	third := func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%3 == 0 {
			w.WriteHeader(500)
		}
	}
	p, s := startSicks(t, 5, third, outliers(fmt.Sprintf(`, "interval": "500ms", "base_ejection_time": "1h", "max_ejection_time": "1h", "success_rate_request_volume": 10, "event_log_path": %q`, log)))
	s[3].sick.Store(true)
	p.callUntil("the host is ejected", func() bool { return p.hostHealth(s[3].address()).Ejected })
	for i := range s {
		if h := p.hostHealth(s[i].address()); h.Ejected != (i == 3) {
			t.Errorf("host %d is %+v", i, h)
		}
	}
	p.Stop(t.Context())
	events := readEvents(t, log)
	if len(events) != 1 {
		t.Fatalf("events %v", events)
	}
	e := events[0]
	rate, _ := e["eject_success_rate_event"].(map[string]any)
	if e["type"] != "SUCCESS_RATE" || e["action"] != "EJECT" || e["upstream_url"] != s[3].address() || e["cluster_name"] != "in" ||
		e["enforced"] != true || e["num_ejections"] != 1.0 || rate == nil || rate["host_success_rate"].(float64) > 90 {
		t.Errorf("event %v", e)
	}
}

// By latency: a host that is ten times as slow as the others.
func TestLatencyEjects(t *testing.T) {
	slow := func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-r.Context().Done():
		}
	}
	p, s := startSicks(t, 3, slow, outliers(`, "interval": "500ms", "base_ejection_time": "1h", "max_ejection_time": "1h", "latency_factor": 3000, "latency_floor": "50ms", "latency_request_volume": 3`))
	s[0].sick.Store(true)
	p.callUntil("the host is ejected", func() bool { return p.hostHealth(s[0].address()).Ejected })
	if h := p.hostHealth(s[0].address()); h.EjectedBy != "LATENCY" {
		t.Errorf("ejected as %+v", h)
	}
}

// However many hosts fail, no more than max_ejection_percent are out of use, and
// those that fail their health checks count, too.
func TestMaxEjection(t *testing.T) {
	check := `, "health_check": {"protocol": "TCP", "timeout": "500ms", "interval": "20ms", "initial_delay_seconds": "1ms"}`
	p, s := startSicks(t, 4, answering(500), check+outliers(`, "interval": "1h", "base_ejection_time": "1h", "max_ejection_time": "1h", "successful_active_health_check_uneject_host": false`))
	s[0].stop()
	p.turnsOut(s[0].address(), failedCheck)
	for _, host := range s[1:] {
		host.sick.Store(true)
	}
	p.callUntil("two more ejections were left out", func() bool { return p.Health()[0].Totals.Overflowed >= 4 })
	ejected := 0
	for _, h := range p.Health()[0].Hosts {
		if h.Ejected {
			ejected++
		}
	}
	if ejected != 1 {
		t.Errorf("%d hosts are ejected; of four, one fails its checks and two may be out of use", ejected)
	}
}

// A good probe ends an ejection where the configuration does not say otherwise.
func TestGoodProbeEndsEjection(t *testing.T) {
	check := `, "health_check": {"protocol": "TCP", "timeout": "500ms", "interval": "200ms", "initial_delay_seconds": "1ms"}`
	p, s := startSicks(t, 2, answering(500), check+outliers(`, "interval": "1h", "base_ejection_time": "1h", "max_ejection_time": "1h"`))
	s[0].sick.Store(true)
	p.callUntil("the host is ejected", func() bool { return p.hostHealth(s[0].address()).Ejections == 1 })
	p.turnsOut(s[0].address(), healthyHost)
}
