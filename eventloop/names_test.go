// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// answering is a cache whose resolver gives these answers in turn, the last one
// again and again; nil fails.
func answering(asked *atomic.Int64, answers ...[]netip.Addr) *nameCache {
	return &nameCache{lookup: func(context.Context, string, string) ([]netip.Addr, error) {
		k := int(asked.Add(1)) - 1
		if a := answers[min(k, len(answers)-1)]; a != nil {
			return a, nil
		}
		return nil, errors.New("no answer")
	}}
}

var firstAddress, secondAddress = netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")

func TestNamesAreRemembered(t *testing.T) {
	var asked atomic.Int64
	n := answering(&asked, []netip.Addr{firstAddress}, []netip.Addr{secondAddress}, nil)
	get := func() []netip.Addr {
		t.Helper()
		a, err := n.addresses(context.Background(), "tcp", "name")
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	e := n.entry(nameKey{"ip", "name"})
	if get(); !slices.Equal(get(), []netip.Addr{firstAddress}) || asked.Load() != 1 {
		t.Errorf("asked %d times for two dials in a row", asked.Load())
	}
	e.at = e.at.Add(-nameFresh)
	if !slices.Equal(get(), []netip.Addr{secondAddress}) {
		t.Error("an old answer was not asked for anew")
	}
	e.at = e.at.Add(-nameFresh)
	if !slices.Equal(get(), []netip.Addr{secondAddress}) || asked.Load() != 3 {
		t.Error("the last good answer was not used while there is no other")
	}
	e.at = e.at.Add(-nameStale)
	if _, err := n.addresses(context.Background(), "tcp", "name"); err == nil {
		t.Error("an answer that is long stale was used")
	}
}

func TestAddressesAreNotAskedFor(t *testing.T) {
	var asked atomic.Int64
	n := answering(&asked, nil)
	for _, host := range []string{"127.0.0.1", "::1"} {
		if a, err := n.addresses(context.Background(), "tcp", host); err != nil || a[0].String() != host {
			t.Errorf("%s: %v, %v", host, a, err)
		}
	}
	if asked.Load() != 0 {
		t.Error("an address was asked for")
	}
}

func TestOneQuestionForAll(t *testing.T) {
	var asked atomic.Int64
	n := &nameCache{lookup: func(context.Context, string, string) ([]netip.Addr, error) {
		asked.Add(1)
		return []netip.Addr{firstAddress}, nil
	}}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := n.addresses(context.Background(), "tcp", "name"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if asked.Load() != 1 {
		t.Errorf("asked %d times", asked.Load())
	}
}

func TestQuestionEndsWithItsDial(t *testing.T) {
	n := new(nameCache)
	n.entry(nameKey{"ip", "name"}).asking <- struct{}{} // somebody asks, and gets no answer
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := n.addresses(ctx, "tcp", "name"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestNamesAreBounded(t *testing.T) {
	n := new(nameCache)
	for i := range nameLimit + 10 {
		n.entry(nameKey{"ip", fmt.Sprint(i)})
	}
	if len(n.entries) > nameLimit {
		t.Errorf("%d names", len(n.entries))
	}
}

// A name is connected to at the first of its addresses that accepts.
func TestDialNameTriesEveryAddress(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	var asked atomic.Int64
	n := answering(&asked, []netip.Addr{firstAddress, secondAddress})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := n.dialName(ctx, new(net.Dialer), "tcp", net.JoinHostPort("name", port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.RemoteAddr().String() != ln.Addr().String() {
		t.Errorf("connected to %v", c.RemoteAddr())
	}
}
