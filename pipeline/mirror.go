// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"time"

	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/pipeline/convert"
	"github.com/sideloop/sideloop/stats"
)

const (
	// mirrorsInFlight bounds the copies under way on a loop, so that a cluster
	// that does not answer its copies costs little.
	mirrorsInFlight = 256
	// mirrorBudget leaves half of what a loop keeps to what is not a copy.
	mirrorBudget = codec.ReplayBudget / 2
	// mirrorTimeout bounds a copy from its end on; nobody waits for its reply.
	mirrorTimeout = 60 * time.Second
)

// mirror is a copy of a request, which is sent to another cluster when all of it
// has come. Its reply is dropped, and whatever becomes of it, the request takes
// no notice.
type mirror struct {
	worker  *Worker
	next    *mirror
	members *cluster.Members
	sent    message
	request cluster.Request
	up      codec.Stream
	timer   eventloop.Timer
}

// mirrors are a loop's.
type mirrors struct {
	free   *mirror
	active int
}

var (
	_ codec.Receiver = (*mirror)(nil)
	_ cluster.Waiter = (*mirror)(nil)
)

// startMirror begins a copy where the route wants one of this request. head is
// as the upstream gets it.
func (e *exchange) startMirror(head codec.Head, body []byte, end bool) {
	a := e.route.Action
	if a == nil || !a.Mirrored() {
		return
	}
	w := e.worker
	members := w.clusters.Cluster(a.Mirror)
	if members == nil || w.mirrors.active >= mirrorsInFlight || head.BodyLength() > replayLimit || e.asked.Connect {
		w.stats.Add(stats.MirrorsSkipped)
		return
	}
	m := w.newMirror()
	m.members = members
	m.request.Protocol, m.request.Receiver, m.request.Waiter = e.to, m, m
	m.request.Subset, m.request.Hash, m.request.Hashed = nil, e.request.Hash, e.request.Hashed
	m.sent.keepHead(w.mem, nil, head)
	e.mirror = m
	e.mirrorData(body, end)
}

// mirrorData copies more of the body. The last of it sends the copy.
func (e *exchange) mirrorData(b []byte, end bool) {
	m, mem := e.mirror, e.worker.mem
	if len(m.sent.bytes())+len(b) > replayLimit || mem.Used(codec.Replay)+len(b) > mirrorBudget {
		e.mirror = nil
		e.worker.stats.Add(stats.MirrorsSkipped)
		m.drop()
		return
	}
	m.sent.keepBody(mem, b, end)
	if end {
		e.mirror = nil
		m.send()
	}
}

// mirrorTrailers ends the copy; t is nil where the protocol has no trailers.
func (e *exchange) mirrorTrailers(t codec.Head) {
	m := e.mirror
	e.mirror = nil
	m.sent.keepTrailers(e.worker.mem, t)
	m.send()
}

func (w *Worker) newMirror() *mirror {
	w.mirrors.active++
	m := w.mirrors.free
	if m == nil {
		m = &mirror{worker: w}
		m.timer.Expire = m
		return m
	}
	w.mirrors.free, m.next = m.next, nil
	return m
}

// drop forgets a copy.
func (m *mirror) drop() {
	w := m.worker
	m.timer.Stop()
	m.request.Forget()
	m.sent.release(w.mem)
	m.up, m.members = nil, nil
	w.mirrors.active--
	m.next, w.mirrors.free = w.mirrors.free, m
}

// send finds a stream for the copy, which is complete.
func (m *mirror) send() {
	m.worker.stats.Add(stats.Mirrored)
	m.worker.loop.Schedule(&m.timer, mirrorTimeout)
	switch s, reason := m.members.Acquire(&m.request); {
	case s != nil:
		m.OnStream(s)
	case reason != codec.ReasonNone:
		m.fail()
	}
}

// OnStream implements cluster.Waiter.
func (m *mirror) OnStream(s codec.Stream) {
	m.up = s
	head, trailers := m.sent.head, m.sent.trailers
	if m.request.Protocol == codec.Bolt {
		convert.SetBodyLength(head, len(m.sent.bytes()))
	} else if len(head.Authority()) == 0 {
		head = m.worker.convert.WithAuthority(head, m.request.Host().Authority)
	}
	alone := m.request.Protocol == codec.Bolt && head.OneWay()
	s.SendHeaders(head, m.sent.bytes(), trailers == nil)
	if m.up != nil && trailers != nil {
		s.SendTrailers(trailers)
	}
	if alone {
		m.drop()
		return
	}
	m.sent.release(m.worker.mem)
}

// OnNoStream implements cluster.Waiter.
func (m *mirror) OnNoStream(codec.Reason) { m.fail() }

func (m *mirror) fail() {
	m.worker.stats.Add(stats.MirrorsFailed)
	m.drop()
}

// OnHeaders implements codec.Receiver.
func (m *mirror) OnHeaders(_ codec.Head, body []byte, end bool) { m.OnData(body, end) }

// OnData implements codec.Receiver: the reply is of no interest.
func (m *mirror) OnData(b []byte, end bool) {
	if end {
		m.drop()
		return
	}
	m.up.Consumed(len(b))
}

// OnTrailers implements codec.Receiver.
func (m *mirror) OnTrailers(codec.Head) { m.drop() }

// OnReset implements codec.Receiver.
func (m *mirror) OnReset(codec.Reason) { m.fail() }

// OnWritable implements codec.Receiver.
func (m *mirror) OnWritable() {}

// OnTimer implements eventloop.Expirer.
func (m *mirror) OnTimer(int64) {
	if m.up != nil {
		m.up.Reset(codec.UpstreamTimeout)
	}
	m.fail()
}
