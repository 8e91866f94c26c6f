// SPDX-License-Identifier: Apache-2.0

package pipeline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/pipeline"
)

// witness is an observer that counts, and notes the last request.
type witness struct {
	service, missing, reply int
	n                       int
	last                    string
	wall                    time.Duration // from the wall clock
	verbose                 bool
}

func (w *witness) Observers(want *pipeline.Wanted, loops int) []pipeline.Observer {
	want.Target()
	w.service, w.missing, w.reply = want.RequestHeader("service"), want.RequestHeader("missing"), want.ReplyHeader("missing")
	return []pipeline.Observer{w}
}

func (w *witness) Ended(r *pipeline.Ended) {
	w.n++
	if !w.verbose {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v>%v %s %s %s%s class=%s service=%s,%v missing=%v,%v", r.From, r.To, r.Method, r.Scheme, r.Authority, r.Path, r.Class,
		r.Request[w.service].Value, r.Request[w.service].Present, r.Request[w.missing].Present, r.Reply[w.reply].Present)
	fmt.Fprintf(&b, " %d %d %d up=%d %v", r.Status, r.GRPCStatus, r.BoltStatus, r.UpstreamStatus, r.Reason)
	fmt.Fprintf(&b, " %d/%d %d/%d tries=%d", r.BytesReceived, r.BytesSent, r.UpstreamBytesSent, r.UpstreamBytesReceived, r.Tries)
	fmt.Fprintf(&b, " %s %s %v %v", r.Listener, r.Cluster, r.Route != nil, r.Host != nil)
	ordered := r.Began > 0 && r.Began <= r.Received && r.Received <= r.Sent && r.Sent <= r.Resent && r.Resent <= r.Replied && r.Replied <= r.Finished
	fmt.Fprintf(&b, " ordered=%v", ordered)
	w.last = b.String()
	w.wall = time.Since(time.Unix(0, r.Finished+r.Wall)).Abs()
}

// What an observer is told of a request and its reply, in each conversion.
func TestObserversAreTold(t *testing.T) {
	const boltEnd = "class=a.B service=com.example.Echo:1.0,true missing=false,false 200 -1 0 up=200 "
	const http2End = "class= service=,false missing=false,false 200 -1 -1 up=200 "
	const toBoltEnd = "class= service=,false missing=false,false 200 -1 0 up=200 "
	const tail = " 128/128 128/128 tries=1 in echo true true ordered=true"
	for i, want := range []string{
		"bolt>bolt   " + " " + boltEnd + tail,
		"http2>http2 POST http echo/ " + http2End + tail,
		"bolt>http2   " + " " + boltEnd + tail,
		"http2>bolt POST http echo/ " + toBoltEnd + tail,
	} {
		r := rigs[i]
		t.Run(r.name, func(t *testing.T) {
			w := new(witness)
			g := newRig(t, r.down, r.up, 128, w)
			g.on(func() {
				w.verbose = true
				g.round()
			})
			if w.n != g.answered() {
				t.Errorf("told of %d requests, %d were answered", w.n, g.answered())
			}
			if w.last != want {
				t.Errorf("told\n%s, want\n%s", w.last, want)
			}
			if w.wall > time.Minute {
				t.Errorf("the wall clock is off by %v", w.wall)
			}
		})
	}
}

func TestNobodyObserves(t *testing.T) {
	if o := pipeline.NewObservers(2); o != nil {
		t.Errorf("observers %v of nobody", o)
	}
}
