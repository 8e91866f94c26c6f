// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/codec/http2/hpack"
	"github.com/sideloop/sideloop/pipeline/router"
)

func boltTimeout(ms int32) codec.Head {
	return &bolt.Head{Version: 1, Type: bolt.TypeRequest, TimeoutMS: ms}
}

func grpc(timeout string) codec.Head {
	h := &http2.Head{Fields: []hpack.Field{{Name: []byte("content-type"), Value: []byte("application/grpc+proto")}}}
	if timeout != "" {
		h.Fields = append(h.Fields, hpack.Field{Name: []byte("grpc-timeout"), Value: []byte(timeout)})
	}
	return h
}

func TestClock(t *testing.T) {
	explicit := func(d time.Duration) *router.Route { return &router.Route{Timeout: d, TimeoutSet: true} }
	unset := &router.Route{Timeout: time.Minute}
	const now, moved = int64(time.Hour), int64(2 * time.Hour)
	at := func(d time.Duration) int64 { return now + int64(d) }
	for name, tt := range map[string]struct {
		route *router.Route
		head  codec.Head
		// When it is due before and after the reply's head, the last movement
		// being at moved; 0 stands for five minutes after it.
		before, after int64
	}{
		"nothing stated":              {unset, &http2.Head{}, moved + int64(time.Minute), 0},
		"route":                       {explicit(3 * time.Second), &http2.Head{}, at(3 * time.Second), at(3 * time.Second)},
		"bolt":                        {unset, boltTimeout(1500), at(1500 * time.Millisecond), at(1500 * time.Millisecond)},
		"bolt is longer than default": {unset, boltTimeout(120_000), at(2 * time.Minute), at(2 * time.Minute)},
		"bolt is shorter":             {explicit(3 * time.Second), boltTimeout(100), at(100 * time.Millisecond), at(100 * time.Millisecond)},
		"route is shorter":            {explicit(3 * time.Second), boltTimeout(5000), at(3 * time.Second), at(3 * time.Second)},
		"bolt without limit":          {unset, boltTimeout(-1), 0, 0},
		"no limit, but the route's":   {explicit(time.Second), boltTimeout(-1), at(time.Second), at(time.Second)},
		"bolt states none":            {unset, boltTimeout(0), moved + int64(time.Minute), 0},
		"grpc":                        {unset, grpc(""), 0, 0},
		"grpc with a deadline":        {unset, grpc("250m"), at(250 * time.Millisecond), at(250 * time.Millisecond)},
		"grpc with none left":         {unset, grpc("0n"), at(time.Millisecond), at(time.Millisecond)},
		"grpc with centuries":         {unset, grpc("99999999H"), 0, 0},
		"grpc with nonsense":          {unset, grpc("1x"), 0, 0},
		"grpc and route":              {explicit(time.Second), grpc("5S"), at(time.Second), at(time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			var c clock
			c.start(now, tt.route, tt.head, 0)
			c.progress = moved
			for replied, want := range map[bool]int64{false: tt.before, true: tt.after} {
				reason := codec.UpstreamTimeout
				if want == 0 {
					want, reason = moved+int64(5*time.Minute), codec.IdleTimeout
				}
				if due, r := c.due(replied); due != want || r != reason {
					t.Errorf("replied %v: due %v (%v), want %v (%v)", replied, time.Duration(due), r, time.Duration(want), reason)
				}
			}
		})
	}
}
