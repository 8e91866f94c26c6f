// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"net"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/pipeline/convert"
)

const (
	// failuresKept is how many failed requests a loop remembers of each reason:
	// enough to see what they have in common. Each reason has room of its own,
	// so that a frequent one does not push out the others.
	failuresKept = 16
	// requestKept is how much is kept of what a request asked for: method and
	// path, or service and method.
	requestKept = 160
	// pairsLimit is how much of a header map is looked at for that: where
	// clients put it, in whole cache lines with what else an express holds.
	pairsLimit = 246
)

// Failure is one request that failed, for people to look at.
type Failure struct {
	At                      time.Time
	Reason                  codec.Reason
	Listener, Cluster, Host string
	Client                  net.Addr
	From, To                codec.Protocol
	Tries                   int
	// Where the time went: until the first stream toward a host was found, from
	// there to the head of the reply, and to the end. All of it is in Waiting or
	// Upstream where the request did not come further.
	Waiting, Upstream, Reply time.Duration

	ended   int64 // loop time
	size    uint8
	request [requestKept]byte
}

// Request is what the request asked for, as the client wrote it: not text that
// may be trusted. It is empty where that is not known any more.
func (f *Failure) Request() string { return string(f.request[:f.size]) }

// recentFailures are the latest failed requests of a loop by reason.
type recentFailures struct {
	total  uint64
	rings  [codec.ReasonCount]*failureRing // made with the first of a reason
	before codec.Head                      // see exchange.refuse
}

type failureRing struct {
	kept   [failuresKept]Failure
	taken  uint64
	turn   int64 // loop time of the latest one
	inTurn int   // how many that turn had
}

// slot is the place for one that fails at now, nil if this turn had enough: a
// flood costs no more than what is kept of it.
func (r *failureRing) slot(now int64) *Failure {
	if r.turn != now {
		r.turn, r.inTurn = now, 0
	}
	if r.inTurn++; r.inTurn > failuresKept {
		return nil
	}
	f := &r.kept[r.taken%failuresKept]
	r.taken++
	return f
}

// Failures is how many requests have failed; Recent tells more only when it has
// grown.
func (w *Worker) Failures() uint64 { return w.recent.total }

// Recent appends the latest failed requests, in no order.
func (w *Worker) Recent(to []Failure) []Failure {
	wall, now := time.Now(), w.loop.Now()
	for _, r := range w.recent.rings {
		if r == nil {
			continue
		}
		for i := range min(r.taken, failuresKept) {
			f := &r.kept[i]
			f.At = wall.Add(time.Duration(f.ended - now))
			to = append(to, *f)
		}
	}
	return to
}

// refuse ends the exchange of a request with head h, which nothing keeps.
func (e *exchange) refuse(h codec.Head, r codec.Reason) {
	recent := &e.worker.recent
	recent.before = h
	e.fail(r)
	recent.before = nil
}

// remember notes the exchange, which fails for reason r.
func (e *exchange) remember(r codec.Reason) {
	w := e.worker
	w.recent.total++
	ring := w.recent.rings[r]
	if ring == nil {
		ring = new(failureRing)
		w.recent.rings[r] = ring
	}
	now := w.loop.Now()
	f := ring.slot(now)
	if f == nil {
		return
	}
	*f = Failure{
		Reason: r, Listener: e.conn.chain.Listener, Cluster: e.cluster, Client: e.conn.conn.RemoteAddr(),
		From: e.from, To: e.to, Tries: e.tries + e.moves, ended: now,
	}
	if h := e.request.Host(); h != nil {
		f.Host = h.Address
	}
	m := &e.meter
	switch {
	case m.sent == 0:
		f.Waiting = time.Duration(now - m.began)
	case m.answered == 0:
		f.Waiting, f.Upstream = time.Duration(m.sent-m.began), time.Duration(now-m.sent)
	default:
		f.Waiting, f.Upstream, f.Reply = time.Duration(m.sent-m.began), time.Duration(m.answered-m.sent), time.Duration(now-m.answered)
	}
	f.put(e.called())
}

// called is what the exchange's request calls, as far as that is still known.
func (e *exchange) called() (first, second []byte) {
	h := e.worker.recent.before
	if h == nil {
		h = e.named
	}
	switch {
	case h != nil:
		return convert.Called(h, e.from)
	case e.observed != nil && e.from == codec.HTTP2:
		return e.observed.value(e.observed.method), e.observed.value(e.observed.path)
	}
	if !e.noted {
		return nil, nil
	}
	return convert.CalledBy(e.pairs.bytes[:e.pairs.kept])
}

// pairs is the beginning of the header map of a Bolt request that is not kept
// otherwise: who looks for why it failed must know what it called.
type pairs struct {
	kept  uint16
	bytes [pairsLimit]byte
}

func (p *pairs) note(h codec.Head) { p.kept = uint16(copy(p.bytes[:], convert.Pairs(h))) }

// put notes two words with a space between.
func (f *Failure) put(a, b []byte) {
	n := copy(f.request[:], a)
	if len(b) > 0 && n > 0 && n < requestKept {
		f.request[n] = ' '
		n++
	}
	n += copy(f.request[n:], b)
	f.size = uint8(n)
}
