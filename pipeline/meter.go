// SPDX-License-Identifier: Apache-2.0

package pipeline

import "github.com/sideloop/sideloop/codec"

// meter is what is measured of an exchange.
type meter struct {
	// Loop times: the request's head came, the first stream toward a host was
	// found, the head of the reply came; 0 for what has not happened.
	began, sent, answered int64

	status int // of the upstream's reply, in HTTP's terms
}

// arrived counts a request of a listener.
func (e *exchange) arrived() {
	c := e.conn
	e.meter.began = c.worker.loop.Now()
	c.traffic.Begin()
}

// measured counts the exchange, which ends for reason r, under its listener and
// its cluster.
func (e *exchange) measured(r codec.Reason) {
	status := e.meter.status
	switch {
	case e.oneWay:
		status = 0
	case !e.replyStarted && r != codec.ReasonNone:
		status = r.HTTPStatus()
	}
	e.conn.traffic.End(uint8(r), status)
	e.conn.traffic.Observe(e.worker.loop.Now() - e.meter.began)
	if e.members != nil {
		e.members.Meter().End(uint8(r), status)
	}
}
