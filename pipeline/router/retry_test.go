// SPDX-License-Identifier: Apache-2.0

package router

import (
	"testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
)

func TestRetryConditions(t *testing.T) {
	none := []codec.Reason{codec.ReasonNone, codec.NoHealthyUpstream, codec.Overflow, codec.UpstreamGoAway, codec.IdleTimeout, codec.DownstreamReset, codec.Internal}
	all := []codec.Reason{codec.ConnectFailed, codec.ConnectTimeout, codec.UpstreamRefused, codec.UpstreamReset, codec.UpstreamClosed, codec.UpstreamUnresponsive, codec.UpstreamTimeout, codec.UpstreamProtocolError}
	type status struct{ http, grpc, bolt int }
	for name, tt := range map[string]struct {
		policy   config.Retry
		reasons  []codec.Reason
		yes, not []status
	}{
		"5xx": {config.Retry{On: config.Retry5xx}, all,
			[]status{{500, -1, -1}, {599, -1, -1}, {503, -1, 4}}, []status{{499, -1, -1}, {600, -1, -1}, {200, 14, 0}, {409, -1, -1}}},
		"gateway-error": {config.Retry{On: config.RetryGatewayError}, all,
			[]status{{502, -1, -1}, {504, -1, 7}}, []status{{500, -1, 1}, {501, -1, -1}, {505, -1, -1}}},
		"reset": {config.Retry{On: config.RetryReset}, all, nil, []status{{503, -1, -1}, {0, 0, 0}}},
		"connect-failure": {config.Retry{On: config.RetryConnectFailure}, []codec.Reason{codec.ConnectFailed, codec.ConnectTimeout},
			nil, []status{{503, -1, -1}}},
		"refused-stream": {config.Retry{On: config.RetryRefusedStream}, []codec.Reason{codec.UpstreamRefused}, nil, []status{{503, -1, -1}}},
		"retriable-4xx":  {config.Retry{On: config.Retry4xx}, nil, []status{{409, -1, -1}}, []status{{408, -1, -1}, {410, -1, -1}}},
		"codes":          {config.Retry{StatusCodes: []uint32{0, 429, 999}}, nil, []status{{0, -1, -1}, {429, -1, -1}, {999, -1, -1}}, []status{{503, -1, -1}, {-1, -1, -1}, {1024, -1, -1}}},
		"grpc":           {config.Retry{GRPCStatuses: []uint32{1, 14}}, nil, []status{{200, 14, -1}, {200, 1, -1}}, []status{{200, 0, -1}, {200, -1, 14}, {200, 64, -1}, {14, -1, -1}}},
		"bolt": {config.Retry{BoltStatuses: []uint32{4, 300}, On: config.RetryTimeout}, []codec.Reason{codec.UpstreamTimeout},
			[]status{{503, -1, 4}, {500, -1, 300}}, []status{{503, -1, -1}, {504, -1, 7}, {4, 4, -1}}},
		"nothing": {config.Retry{}, nil, nil, []status{{503, 14, 4}}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.policy.Set = true
			r := compileRetry(&tt.policy)
			want := make(map[codec.Reason]bool)
			for _, c := range tt.reasons {
				want[c] = true
			}
			for _, c := range append(none, all...) {
				if r.OnReason(c) != want[c] {
					t.Errorf("%v: %v", c, !want[c])
				}
			}
			for _, s := range tt.yes {
				if !r.OnStatus(s.http, s.grpc, s.bolt) {
					t.Errorf("%+v is not retried", s)
				}
			}
			for _, s := range tt.not {
				if r.OnStatus(s.http, s.grpc, s.bolt) {
					t.Errorf("%+v is retried", s)
				}
			}
		})
	}
}

// What is never sent again need not be kept.
func TestRepeats(t *testing.T) {
	for _, tt := range []struct {
		policy config.Retry
		want   bool
	}{
		{config.Retry{}, false}, {config.Retry{Count: 3}, false}, {config.Retry{On: config.RetryReset}, false},
		{config.Retry{On: config.RetryConnectFailure, Count: 3}, false}, {config.Retry{On: config.RetryReset, Count: 1}, true},
		{config.Retry{StatusCodes: []uint32{503}, Count: 1}, true}, {config.Retry{BoltStatuses: []uint32{4}, Count: 1}, true},
		{config.Retry{GRPCStatuses: []uint32{14}, Count: 1}, true}, {config.Retry{Hedge: true, Count: 1}, true},
	} {
		tt.policy.Set = true
		if got := compileRetry(&tt.policy).Repeats(); got != tt.want {
			t.Errorf("%+v: %v", tt.policy, got)
		}
	}
}

func TestNoPolicyCompilesToNone(t *testing.T) {
	if compileRetry(&config.Retry{}) != nil {
		t.Error("a policy")
	}
}
