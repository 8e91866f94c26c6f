// SPDX-License-Identifier: Apache-2.0

package codec

import "testing"

func TestReasonsAreComplete(t *testing.T) {
	words := make(map[string]Reason)
	for r := ReasonNone + 1; r < ReasonCount; r++ {
		if r.String() == "" || r.Text() == "" {
			t.Errorf("reason %d has no words", r)
		}
		if other, twice := words[r.String()]; twice {
			t.Errorf("reasons %d and %d are both %q", r, other, r.String())
		}
		words[r.String()] = r
		if s := r.HTTPStatus(); s < 400 || s > 599 {
			t.Errorf("%v: HTTP status %d", r, s)
		}
		if s := r.GRPCStatus(); s < 1 || s > 16 {
			t.Errorf("%v: gRPC status %d", r, s)
		}
		if r.BoltStatus() == BoltSuccess || r.BoltStatus() > BoltServerDeserial {
			t.Errorf("%v: Bolt status %d", r, r.BoltStatus())
		}
		if c := r.HTTP2Code(); c == h2NoError || c > 0xd {
			t.Errorf("%v: HTTP/2 code %d", r, c)
		}
	}
	if ReasonNone.HTTPStatus() != 200 || ReasonNone.BoltStatus() != 0 || ReasonNone.HTTP2Code() != 0 || ReasonNone.GRPCStatus() != 0 {
		t.Error("the orderly end is not a success")
	}
	if Reason(250).String() != "internal" {
		t.Errorf("an unknown reason is %q", Reason(250))
	}
}

// What MOSN's users see of the common failures.
func TestCommonFailures(t *testing.T) {
	for r, want := range map[Reason][2]int{
		NoRoute:         {404, 6},
		ConnectFailed:   {502, 6},
		UpstreamTimeout: {504, 7},
		UpstreamClosed:  {502, 3},
		Overflow:        {503, 4},
	} {
		if r.HTTPStatus() != want[0] || int(r.BoltStatus()) != want[1] {
			t.Errorf("%v: %d and %d, want %v", r, r.HTTPStatus(), r.BoltStatus(), want)
		}
	}
}
