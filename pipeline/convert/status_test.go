// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/codec/http2/hpack"
)

func reply(status int, fields ...string) *http2.Head {
	h := &http2.Head{Status: status}
	for i := 0; i < len(fields); i += 2 {
		h.Fields = append(h.Fields, hpack.Field{Name: []byte(fields[i]), Value: []byte(fields[i+1])})
	}
	return h
}

func TestStatuses(t *testing.T) {
	for name, tt := range map[string]struct {
		head codec.Head
		want [3]int
	}{
		"bolt":                  {&bolt.Head{Version: 1, Type: bolt.TypeResponse, Status: 4}, [3]int{503, -1, 4}},
		"bolt beyond the known": {&bolt.Head{Version: 1, Type: bolt.TypeResponse, Status: 300}, [3]int{500, -1, 300}},
		"http2":                 {reply(503), [3]int{503, -1, -1}},
		"grpc":                  {reply(200, "grpc-status", "14"), [3]int{200, 14, -1}},
		"grpc with nonsense":    {reply(200, "grpc-status", "+14"), [3]int{200, -1, -1}},
		"grpc beyond all":       {reply(200, "grpc-status", "99999999999999999999"), [3]int{200, -1, -1}},
		"sidecar":               {reply(200, "protocol", "1", "respstatus", "7"), [3]int{504, -1, 7}},
		"no sidecar":            {reply(200, "respstatus", "7"), [3]int{200, -1, -1}},
		"sidecar, no status":    {reply(200, "protocol", "1", "respstatus", "70000"), [3]int{200, -1, -1}},
	} {
		t.Run(name, func(t *testing.T) {
			var got [3]int
			if got[0], got[1], got[2] = Statuses(tt.head); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestDecimal(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "007": 7, "999999999999999999": 999999999999999999} {
		if n, ok := Decimal([]byte(s)); !ok || n != want {
			t.Errorf("%q: %d, %v", s, n, ok)
		}
	}
	for _, s := range []string{"", "-1", "+1", " 1", "1 ", "1.5", "0x1", "1000000000000000000", "٣"} {
		if n, ok := Decimal([]byte(s)); ok {
			t.Errorf("%q was read as %d", s, n)
		}
	}
}
