// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"testing"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
	"github.com/sideloop/sideloop/pipeline/filter/filtertest"
)

func TestPayloadLimit(t *testing.T) {
	for _, c := range []struct {
		name   string
		limit  int64
		length int64
		chunks []int
		passes int // chunks that pass; -1: not even the head
	}{
		{"announced and small", 10, 10, []int{10}, 1},
		{"announced and large", 10, 11, nil, -1},
		{"not announced and small", 10, codec.BodyUnknown, []int{4, 6}, 2},
		{"not announced and large", 10, codec.BodyUnknown, []int{4, 6, 1}, 2},
		{"no limit", 0, 1 << 40, []int{1 << 30}, 1},
	} {
		p, _ := Kind.Listener(&config.PayloadLimit{MaxBytes: c.limit, Status: 413})
		f, call, word := p.Instance().(*limit), filtertest.Call(nil), int64(0)
		call.Length = c.length
		passes := -1
		if f.OnRoute(call, &word) == filter.Continue {
			passes++
			for _, n := range c.chunks {
				if f.OnBody(call, &word, n) != filter.Continue {
					break
				}
				passes++
			}
		}
		if passes != c.passes {
			t.Errorf("%s: %d chunks passed, want %d", c.name, passes, c.passes)
		}
		if passes != len(c.chunks) && (call.Refusal.Reason != codec.BodyTooLarge || call.Refusal.Status != 413) {
			t.Errorf("%s: refused with %+v", c.name, call.Refusal)
		}
	}
}

func TestPayloadLimitByRoute(t *testing.T) {
	own, _ := Kind.Route(&config.PayloadLimit{MaxBytes: 5, Status: 400})
	p, _ := Kind.Listener(&config.PayloadLimit{MaxBytes: 1, Status: 413})
	call, word := filtertest.Call(nil), int64(0)
	call.Route = filtertest.Route{Name: own}
	f := p.Instance().(*limit)
	if f.OnBody(call, &word, 5) != filter.Continue || f.OnBody(call, &word, 1) != filter.Reply || call.Refusal.Status != 400 {
		t.Errorf("the route's limit does not hold: %+v", call.Refusal)
	}
}
