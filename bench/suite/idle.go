// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sideloop/sideloop/bench"
	"github.com/sideloop/sideloop/bench/peers"
)

const (
	// openers open connections side by side; more would overflow the accept
	// queue of a peer with a short one.
	openers = 32
	// openTimeout is for all connections together.
	openTimeout = 60 * time.Second
	// callTimeout is for one request.
	callTimeout = 20 * time.Second
	// settleEvery and settleFor: memory counts once it has not changed for
	// three readings, or in the end as it is.
	settleEvery = 100 * time.Millisecond
	settleFor   = 2 * time.Second
	// spareFiles are what a proxy needs besides two descriptors per
	// connection.
	spareFiles = 200
)

// idle measures what connections cost that have nothing to do.
func (r *runner) idle(ctx context.Context, sc *scenario, w *way) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	var clients crowd
	defer clients.close()
	// What the first request costs is not the connection's.
	if err := clients.open(ctx, sc.client(), w.address, 1); err != nil {
		return sample{}, err
	}
	before, _, err := w.settled(ctx)
	if err != nil {
		return sample{}, err
	}
	if err := clients.open(ctx, sc.client(), w.address, sc.connections); err != nil {
		return sample{}, errors.Join(err, w.alive())
	}
	after, peak, err := w.settled(ctx)
	if err != nil {
		return sample{}, err
	}
	return sample{figure: float64(after-before) / float64(sc.connections), rss: float64(peak)}, w.alive()
}

// settled returns the proxies' anonymous memory once it has stopped changing,
// and the peak of all that is resident.
func (w *way) settled(ctx context.Context) (now, peak int64, err error) {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	last, same := int64(-1), 0
	for start := time.Now(); same < 3 && time.Since(start) < settleFor; {
		select {
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case <-tick.C:
		}
		now, peak = 0, 0
		for _, p := range w.proxies {
			anonymous, most, err := memory(p.cmd.Process.Pid)
			if err != nil {
				return 0, 0, err
			}
			now, peak = now+anonymous, peak+most
		}
		if now != last {
			last, same = now, 0
		}
		same++
	}
	return now, peak, nil
}

// memory reads RssAnon and VmHWM of a process, in bytes.
func memory(pid int) (anonymous, peak int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	anonymous, peak = field(string(b), "RssAnon:"), field(string(b), "VmHWM:")
	if anonymous == 0 || peak == 0 {
		return 0, 0, fmt.Errorf("process %d states no memory", pid)
	}
	return anonymous, peak, nil
}

// field is the value of a line such as "VmRSS:  123 kB" in bytes, 0 without it.
func field(status, name string) int64 {
	_, rest, ok := strings.Cut(status, "\n"+name)
	if !ok {
		return 0
	}
	line, _, _ := strings.Cut(rest, "\n")
	kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(line, "kB")), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

// crowd is open client connections.
type crowd struct {
	mu      sync.Mutex
	closers []func()
}

// open adds n connections that have had one reply each.
func (c *crowd) open(ctx context.Context, protocol peers.Protocol, address string, n int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	call := callBolt
	if protocol == peers.HTTP2 {
		call = callHTTP2
	}
	turns := make(chan struct{})
	var all sync.WaitGroup
	for range min(n, openers) {
		all.Go(func() {
			for range turns {
				closer, err := call(ctx, address)
				if closer != nil {
					c.mu.Lock()
					c.closers = append(c.closers, closer)
					c.mu.Unlock()
				}
				if err != nil {
					cancel(err)
				}
			}
		})
	}
	for range n {
		if ctx.Err() != nil {
			break
		}
		turns <- struct{}{}
	}
	close(turns)
	all.Wait()
	return context.Cause(ctx)
}

func (c *crowd) close() {
	for closer := range slices.Values(c.closers) {
		closer()
	}
}

// callBolt opens a connection and calls once; the connection stays open until
// the returned function is called.
func callBolt(ctx context.Context, address string) (func(), error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	closer := func() { _ = conn.Close() }
	reply, err := bench.CallBolt(ctx, conn, bench.BoltRequest(service, callTimeout), nil)
	if err == nil && reply.Head.Status != 0 {
		err = fmt.Errorf("a reply has status %d (%s)", reply.Head.Status, reply.StatusText())
	}
	return closer, err
}

// callHTTP2 does the same with a GET.
func callHTTP2(ctx context.Context, address string) (func(), error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var plain http.Protocols
	plain.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &plain, DisableCompression: true}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return nil, err
	}
	reply, err := transport.RoundTrip(request)
	if err != nil {
		return transport.CloseIdleConnections, err
	}
	_, err = io.Copy(io.Discard, reply.Body)
	_ = reply.Body.Close()
	if err == nil && reply.StatusCode != http.StatusOK {
		err = fmt.Errorf("a reply has status %d", reply.StatusCode)
	}
	return transport.CloseIdleConnections, err
}
