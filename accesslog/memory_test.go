// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline"
)

// What is remembered from line to line is never of another connection, another end
// or another moment: lines are as if each were the first.
func TestMemoryIsOfTheSame(t *testing.T) {
	for _, text := range []string{config.DefaultLogFormat, everything(), strings.Repeat("%listener% %bytes_sent% ", runsMax+2)} {
		f, want := formatOf(t, text)
		give := headers(want, nil, nil)
		m := new(memory)
		rng := rand.New(rand.NewPCG(1, 2))
		at := noon.UnixNano()
		var line, fresh []byte
		for i := range 5000 {
			r := anyEnded(rng, &at)
			give(r)
			line, fresh = f.append(line[:0], r, m), f.append(fresh[:0], r, new(memory))
			if string(line) != string(fresh) {
				t.Fatalf("line %d is\n%swant\n%s", i, line, fresh)
			}
		}
	}
}

// anyEnded is one of many requests that have much in common, at a moment soon
// after the last.
func anyEnded(rng *rand.Rand, at *int64) *pipeline.Ended {
	r := boltEnded()
	*at += rng.Int64N(int64(2 * time.Millisecond))
	if rng.IntN(50) == 0 {
		*at += rng.Int64N(int64(3 * time.Second))
	}
	r.Wall = *at - r.Began
	r.Finished = r.Began + rng.Int64N(3)*700_123
	r.Replied = r.Finished
	// No number says that nobody counts; there are more pairs than are kept.
	n := rng.IntN(60)
	r.Connection, r.Remote = uint64(n)<<8, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5000 + n}
	if n%7 == 1 {
		name := fmt.Sprint("client", n, strings.Repeat("x", n%2*constantsMax))
		r.Hello = &eventloop.Hello{Version: tls.VersionTLS10, Peer: &eventloop.Identity{Verified: n%3 > 0, Subject: "CN=" + name, DNSNames: []string{name}}}
	}
	host := rng.IntN(8)
	r.UpstreamConnection, r.UpstreamLocal = uint64(host)<<8, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 4000 + host}
	r.Host = &cluster.Host{Address: fmt.Sprint("10.0.0.1:", 12200+host)}
	if host == 0 {
		r.Host, r.UpstreamLocal = []*cluster.Host{nil, {Address: "10.0.0.2:1"}}[rng.IntN(2)], nil
		r.Cluster = []string{"", "echo", "other"}[rng.IntN(3)]
		r.To = codec.Protocol(rng.IntN(2))
	}
	if rng.IntN(4) == 0 {
		r.Reason = codec.Reason(rng.IntN(int(codec.ReasonCount)))
		r.Status = 200 + rng.IntN(3)
	}
	return r
}
