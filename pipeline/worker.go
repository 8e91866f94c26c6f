// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/overload"
	"github.com/sideloop/sideloop/pipeline/convert"
	"github.com/sideloop/sideloop/pipeline/router"
	"github.com/sideloop/sideloop/stats"
)

// Worker is everything of one loop that a request touches. Its methods are
// called on that loop.
type Worker struct {
	loop     *eventloop.Loop
	mem      *codec.Memory
	stats    *stats.Block
	clusters *cluster.Manager
	routers  map[string]*router.Table
	lookups  lookups
	convert  convert.Converter
	query    router.Query
	text     []byte // of what routes write into heads, until they are sent
	mirrors  mirrors
	failures failureLog
	recent   recentFailures
	// malformed is what clients sent.
	malformed codec.Specimens

	conns    connections
	draining bool
	free     []*exchange // apart from them: to take one reads nothing of it
	relieve  eventloop.Task

	pressure        *overload.Pressure
	subsets         subsets
	freeFilterings  *filtering
	spareFilterings int
	freeAttempts    *attempts
	spareAttempts   int
	expresses       []*express // for reuse
	// scribe notes for observers what they are to know of requests in the lane.
	scribe exchange
	// matched is the route of a request that was looked at for the lane and
	// becomes an exchange at once.
	matched *router.Route

	ended         Ended
	brief         Ended // of requests in the lane of which nothing was noted
	freeObserved  *observed
	spareObserved int
	observedBytes int
	wall, wallAt  int64  // see wallOffset
	numbered      uint64 // connections that observers see
}

// NewWorker returns the worker of loop l, which has no routes yet.
func NewWorker(l *eventloop.Loop, s cluster.Sessions) *Worker {
	w := &Worker{loop: l, mem: new(codec.Memory), stats: new(stats.Block), pressure: &noPressure}
	w.clusters = cluster.NewManager(l, w.mem, w.stats, s)
	w.relieve.Runner = w
	w.scribe.worker = w
	w.mem.OnOverflow = func() { l.Queue(&w.relieve) }
	return w
}

// Adopt takes a new configuration's routes and clusters.
func (w *Worker) Adopt(s *Snapshot) {
	w.routers = s.Routers
	w.clusters.Adopt(s.Clusters)
	w.lookups = lookups{}
	w.ended, w.brief = Ended{}, Ended{} // which must not keep a configuration that is gone
}

// lookups remembers the latest answers of the tables by name, since requests in
// a row mostly ask the same.
type lookups struct {
	chain   *Chain
	table   *router.Table
	route   *router.Route
	members *cluster.Members
}

// table is the routes of a chain, nil when there are none.
func (w *Worker) table(c *Chain) *router.Table {
	if c != w.lookups.chain {
		w.lookups.chain, w.lookups.table = c, w.routers[c.Router]
	}
	return w.lookups.table
}

// members is the cluster of a route, nil when there is none.
func (w *Worker) members(r *router.Route) *cluster.Members {
	if r != w.lookups.route {
		w.lookups.route, w.lookups.members = r, w.clusters.Cluster(r.Cluster)
	}
	return w.lookups.members
}

// Accept binds a new downstream connection to its chain.
func (w *Worker) Accept(c *eventloop.Conn, chain *Chain) eventloop.Handler {
	return newConnection(w, c, chain, nil)
}

// Drain lets every downstream connection finish what is in flight and close, and
// so those that were accepted already and are on their way to the loop.
func (w *Worker) Drain() {
	w.draining = true
	w.each(nil, (*connection).drain)
}

// Retire lets the connections of one chain finish what is in flight and close.
func (w *Worker) Retire(chain *Chain) { w.each(chain, (*connection).drain) }

// Expel closes the connections of one chain that have not finished.
func (w *Worker) Expel(chain *Chain) {
	w.each(chain, func(c *connection) { c.Shut(codec.Draining) })
}

// each calls f for the connections of a chain, of every chain if it is nil.
func (w *Worker) each(chain *Chain, f func(*connection)) {
	for c := w.conns.first; c != nil; {
		next := c.next
		if chain == nil || c.chain == chain {
			f(c)
		}
		c = next
	}
}

// Loop is the loop that the worker belongs to.
func (w *Worker) Loop() *eventloop.Loop { return w.loop }

// Clusters is the loop's view of the clusters.
func (w *Worker) Clusters() *cluster.Manager { return w.clusters }

// Memory is the gauges of the loop's buffers.
func (w *Worker) Memory() *codec.Memory { return w.mem }

// Stats is the loop's counters.
func (w *Worker) Stats() *stats.Block { return w.stats }

// newExchange returns an exchange that nothing refers to.
func (w *Worker) newExchange() *exchange {
	last := len(w.free) - 1
	if last < 0 {
		e := &exchange{worker: w}
		e.timer.Expire = e
		e.holding.Holder = e
		return e
	}
	e := w.free[last]
	w.free = w.free[:last]
	return e
}

// spareExchanges bounds the ended exchanges that a loop keeps for reuse: as many
// as one connection has in flight. Those of a burst are left to the collector.
const spareExchanges = 1024

// recycle takes an exchange that nothing refers to any more.
func (w *Worker) recycle(e *exchange) {
	if len(w.free) < spareExchanges {
		w.free = append(w.free, e)
	}
}

// Run implements eventloop.Runner: the loop holds more bytes than it may.
func (w *Worker) Run() { w.mem.Relieve() }
