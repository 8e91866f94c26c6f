// SPDX-License-Identifier: Apache-2.0

// Package traffic keeps clients calling through a proxy while a test does
// something to it, and reloads one in every way that there is.
package traffic

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sideloop/sideloop/bench/load"
	"github.com/sideloop/sideloop/bench/result"
)

// patience bounds how long something may take to happen.
const patience = 30 * time.Second

// settled is how many requests each client makes before and after what is done.
const settled = 100

// During runs clients until act has returned, and some requests longer, and
// returns what each of them saw.
func During(t testing.TB, act func(), clients ...load.Options) []*result.Result {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	results := make([]*result.Result, len(clients))
	ended := make([]atomic.Uint64, len(clients))
	var wg sync.WaitGroup
	for i, o := range clients {
		o.Duration = time.Hour // until act has returned
		wg.Go(func() {
			r, err := load.Run(ctx, o, func(p load.Progress) { ended[i].Store(p.Done) })
			if err != nil {
				t.Errorf("%s: %v", o.Target, err)
				return
			}
			results[i] = r
		})
	}
	more := func() {
		t.Helper()
		for i := range ended {
			least := ended[i].Load() + settled
			Until(t, "calls go on", func() bool { return ended[i].Load() >= least })
		}
	}
	more()
	act()
	more()
	cancel()
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return results
}

// Until polls for a condition.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}
