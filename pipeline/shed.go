// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"math/rand/v2"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/eventloop"
	"github.com/sideloop/sideloop/overload"
	"github.com/sideloop/sideloop/pipeline/convert"
)

// noPressure is for workers that nobody told of any.
var noPressure overload.Pressure

// Watch makes the worker refuse requests while p says so, and while its loop is
// late by more than maxDelay, unless that is 0.
func (w *Worker) Watch(p *overload.Pressure, maxDelay time.Duration) {
	w.pressure = p
	w.loop.LimitLag(maxDelay)
}

// overloaded tells that the proxy has more to do than it can. A request is then
// refused for what decoding it has cost, before anybody looks at it.
func (w *Worker) overloaded() bool { return w.pressure.RefuseRequests() || w.loop.Late() }

// shed refuses a request.
func (e *exchange) shed(h codec.Head) {
	e.asked = convert.Ask(h)
	e.refuse(h, codec.Overloaded)
}

// ConnectionFault delays the first read of a share of the connections, for tests
// of those who connect.
type ConnectionFault struct {
	Percent uint32
	Delay   time.Duration
}

// inject has a connection wait for its first read if it is among those.
func (f *ConnectionFault) inject(c *eventloop.Conn) {
	if f.Percent == 0 || f.Delay <= 0 || rand.Uint32N(100) >= f.Percent {
		return
	}
	c.PauseRead()
	c.Loop().Schedule(&eventloop.Timer{Expire: (*resume)(c)}, f.Delay)
}

// resume is a connection that reads again when its time has come.
type resume eventloop.Conn

// OnTimer implements eventloop.Expirer. Resuming one that has ended does nothing.
func (r *resume) OnTimer(int64) { (*eventloop.Conn)(r).ResumeRead() }
