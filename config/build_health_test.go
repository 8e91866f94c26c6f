// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// healthOf reads a cluster with these members.
func healthOf(t *testing.T, members string) *Cluster {
	t.Helper()
	c, problems := Parse("t.json", []byte(fmt.Sprintf(`{"servers": [{"listeners": []}], "cluster_manager": {"clusters": [{"name": "c", %s, "hosts": [{"address": "127.0.0.1:1"}]}]}}`, members)))
	if c == nil {
		t.Fatal(problems)
	}
	return &c.Clusters[0]
}

// MOSN's defaults, but for the jitter.
func TestHealthCheckDefaults(t *testing.T) {
	want := &HealthCheck{
		Protocol: HealthTCP, ServiceName: "s",
		Timeout: time.Second, Interval: 15 * time.Second, Unhealthy: 15 * time.Second, HealthyEdge: 15 * time.Second, UnhealthyEdge: 15 * time.Second,
		Jitter: 1500 * time.Millisecond, InitialDelay: time.Second, HealthyThreshold: 1, UnhealthyThreshold: 1, Reuse: true,
	}
	if diff := cmp.Diff(want, healthOf(t, `"health_check": {"service_name": "s"}`).HealthCheck); diff != "" {
		t.Errorf("(-want +found)\n%s", diff)
	}
	for _, off := range []string{`"health_check": {}`, `"health_check": {"timeout": "2s"}`, `"lb_type": "LB_RANDOM"`} {
		if h := healthOf(t, off).HealthCheck; h != nil {
			t.Errorf("%s: %+v", off, h)
		}
	}
}

// What the protocol and the settings of the probe make of each other.
func TestHealthProtocols(t *testing.T) {
	for text, want := range map[string]HealthProtocol{
		`"protocol": "TCP"`:                        HealthTCP,
		`"protocol": "Http1"`:                      HealthTCP,
		`"protocol": "Http1", "check_path": "/"`:   HealthHTTP1,
		`"protocol": "Http2"`:                      HealthHTTP2Connect,
		`"protocol": "Http2", "check_path": "/"`:   HealthHTTP2,
		`"protocol": "gRPC"`:                       HealthGRPC,
		`"protocol": "bolt"`:                       HealthBolt,
		`"protocol": "SofaRpc"`:                    HealthBolt,
		`"protocol": "boltv2"`:                     HealthBoltV2,
		`"protocol": "dubbo"`:                      HealthTCP,
		`"protocol": "", "service_name": "legacy"`: HealthTCP,
		`"protocol": "Http1", "check_config": {"http_check_config": {}}`: HealthHTTP1,
	} {
		if got := healthOf(t, `"health_check": {`+text+`}`).HealthCheck.Protocol; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestHealthRequest(t *testing.T) {
	h := healthOf(t, `"health_check": {"protocol": "Http1", "timeout": "3s", "check_path": "/legacy", "interval": "1s", "unhealthy_interval": "2s", "healthy_edge_interval": "3s",
 "check_config": {"http_check_config": {"port": 80, "timeout": "2s", "method": "HEAD", "domain": "cart", "codes": [{"Start": 200, "End": 204}]}}}`).HealthCheck
	want := HealthRequest{Port: 80, Authority: "cart", Method: "HEAD", Path: "/legacy", Codes: []CodeRange{{200, 204}}}
	if diff := cmp.Diff(want, h.Request); diff != "" {
		t.Errorf("(-want +found)\n%s", diff)
	}
	if h.Timeout != 2*time.Second || h.Unhealthy != 2*time.Second || h.UnhealthyEdge != 2*time.Second || h.HealthyEdge != 3*time.Second {
		t.Errorf("%+v", h)
	}
	h = healthOf(t, `"health_check": {"protocol": "gRPC", "check_config": {"grpc_check_config": {"service_name": "a.B", "authority": "cart"}}}`).HealthCheck
	if diff := cmp.Diff(HealthRequest{Authority: "cart", Service: "a.B"}, h.Request); diff != "" {
		t.Errorf("(-want +found)\n%s", diff)
	}
}

// Envoy's defaults.
func TestOutlierDefaults(t *testing.T) {
	want := &OutlierDetection{
		Consecutive5xx: 5, ConsecutiveGateway: 5, ConsecutiveLocal: 5,
		Interval: 10 * time.Second, BaseEjection: 30 * time.Second, MaxEjection: 300 * time.Second, MaxEjectionPercent: 10, UnejectByCheck: true,
		SuccessRateHosts: 5, SuccessRateVolume: 100, SuccessRateStdev: 1900,
		FailureThreshold: 85, FailureHosts: 5, FailureVolume: 50,
		LatencyPercentile: 90, LatencyFloor: 10 * time.Millisecond, LatencyHosts: 3, LatencyVolume: 100,
		Enforce: [OutlierKindCount]int{100, 0, 100, 100, 100, 0, 0, 100},
	}
	if diff := cmp.Diff(want, healthOf(t, `"outlier_detection": {}`).Outlier); diff != "" {
		t.Errorf("(-want +found)\n%s", diff)
	}
	d := healthOf(t, `"outlier_detection": {"consecutive_5xx": 0, "base_ejection_time": "10m", "max_ejection_time": "5m"}`).Outlier
	if d.Consecutive5xx != 0 || d.MaxEjection != 10*time.Minute {
		t.Errorf("%+v", d)
	}
	if healthOf(t, `"lb_type": "LB_RANDOM"`).Outlier != nil {
		t.Error("outlier detection without being asked for")
	}
}
