// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/test/peer"
)

// citizen is a client that behaves: it asks for an echo on a connection of its
// own, again and again.
type citizen struct {
	t        *testing.T
	client   *http.Client
	stop     chan struct{}
	done     sync.WaitGroup
	once     sync.Once
	calls    atomic.Int64
	failures atomic.Int64

	mu    sync.Mutex
	times []time.Duration
}

func startCitizen(t *testing.T, address string) *citizen {
	c := &citizen{t: t, stop: make(chan struct{}), client: &http.Client{Transport: &http.Transport{Protocols: onlyH2()}, Timeout: peer.Patience}}
	body := bytes.Repeat([]byte("citizen "), 16)
	c.done.Go(func() {
		for {
			select {
			case <-c.stop:
				return
			case <-time.After(time.Millisecond):
			}
			start := time.Now()
			if err := c.call("http://"+address+"/echo", body); err != nil {
				c.failures.Add(1)
				t.Errorf("the citizen: %v", err)
				return
			}
			c.mu.Lock()
			c.times = append(c.times, time.Since(start))
			c.mu.Unlock()
			c.calls.Add(1)
		}
	})
	return c
}

func (c *citizen) call(url string, body []byte) error {
	r, err := c.client.Post(url, "text/plain", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		return err
	case r.StatusCode != 200 || !bytes.Equal(b, body):
		return fmt.Errorf("status %d with %d bytes, %s", r.StatusCode, len(b), r.Header.Get(codec.ReasonHeader))
	}
	return nil
}

// percentile is the 99th of the calls since it was last asked for.
func (c *citizen) percentile() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.times) == 0 {
		return 0
	}
	slices.Sort(c.times)
	p := c.times[len(c.times)*99/100]
	c.times = c.times[:0]
	return p
}

// still waits for n more calls: the citizen gets its answers while an attack goes
// on.
func (c *citizen) still(t *testing.T, n int64) {
	t.Helper()
	before := c.calls.Load()
	for deadline := time.Now().Add(peer.Patience); c.calls.Load() < before+n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the citizen got %d answers; want %d", c.calls.Load()-before, n)
		}
	}
}

// end lets the citizen have at least one more call, and stops it.
func (c *citizen) end() { c.once.Do(c.leave) }

func (c *citizen) leave() {
	before := c.calls.Load()
	deadline := time.Now().Add(peer.Patience)
	for c.calls.Load() == before && c.failures.Load() == 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	close(c.stop)
	c.done.Wait()
	if c.calls.Load() == before && c.failures.Load() == 0 {
		c.t.Error("the citizen gets no answer any more")
	}
	c.client.CloseIdleConnections()
}
