// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/panjf2000/gnet/v2"
)

// engine is what gnet calls. The context of a gnet connection says what it is:
// a *Loop for the loop's timerfd, an *admission for a connection that is about
// to open, then its *Conn, and nil once this package has let go of it.
type engine struct {
	gnet.BuiltinEventEngine
}

// OnOpen runs on the loop, before anything else of the connection.
func (*engine) OnOpen(gc gnet.Conn) ([]byte, gnet.Action) {
	switch v := gc.Context().(type) {
	case *Loop:
		v.attach(gc)
	case *admission:
		v.loop.open(gc, v)
	}
	return nil, gnet.None
}

// OnTraffic follows one read.
func (*engine) OnTraffic(gc gnet.Conn) gnet.Action {
	// Next without a size takes everything and copies nothing, because nothing
	// is ever left in gnet's own buffer.
	b, _ := gc.Next(-1)
	switch v := gc.Context().(type) {
	case *Loop:
		v.onAlarm()
	case *Conn:
		l := v.loop
		l.enter()
		awaited := l.ahead.served(v.fd)
		l.stats.Reads++
		l.stats.BytesRead += uint64(len(b))
		if v.tls != nil {
			v.onRecords(b)
		} else {
			v.onInput(b)
		}
		l.leaveBatch(awaited)
	}
	return gnet.None
}

// OnClose precedes gnet's close of the descriptor.
func (*engine) OnClose(gc gnet.Conn, err error) gnet.Action {
	switch v := gc.Context().(type) {
	case *Loop:
		if !v.stopping {
			v.log.Error("the loop ended by itself", "error", err)
		}
	case *Conn:
		v.loop.enter()
		v.loop.ahead.served(gc.Fd())
		v.onRelease(err)
		v.loop.leave() // without a look, which would still find the descriptor
	}
	return gnet.None
}

// attach makes the timerfd's loop this Loop.
func (l *Loop) attach(gc gnet.Conn) {
	l.alarm.fd = gc.Fd()
	l.poll, l.attachErr = openPoller(gc)
}

// open makes a Conn of what was accepted or dialled.
func (l *Loop) open(gc gnet.Conn, a *admission) {
	l.enter()
	c := &Conn{
		loop: l, gc: gc, fd: gc.Fd(),
		high: HighWatermark, low: LowWatermark,
		listener: a.listener, local: a.local, remote: a.remote,
	}
	c.unix = a.unix
	c.notice.Runner = (*connNotice)(c)
	l.table.add(c)
	l.stats.Opened++
	l.stats.Conns++
	gc.SetContext(c)
	l.poll.lighten(gc)
	a.opened = true
	if a.wire != nil {
		c.secure(a.wire, a.hello)
	}
	if c.handler = l.begin(c, a); c.handler == nil {
		c.end(CauseLocal, nil)
	} else if c.tls != nil {
		c.startRecords()
	} else if len(a.early) > 0 && c.phase == phaseOpen {
		c.onInput(a.early)
	}
	l.leave()
}

// begin asks whoever wanted the connection for its handler.
func (l *Loop) begin(c *Conn, a *admission) Handler {
	defer l.rescue("Accept or OnDialed", c)
	switch {
	case l.stopping:
		return nil
	case a.dialing != nil:
		return a.dialing.arrived(c)
	case a.accept != nil:
		return a.accept(c)
	}
	return a.listener.config.Accept(c)
}

// forget is the end of what open began.
func (l *Loop) forget(c *Conn) {
	l.table.remove(c)
	l.stats.Conns--
	l.load.Add(-1)
	if c.listener != nil {
		c.listener.conns.Add(-1)
	}
}

// gnetLogger passes gnet's messages on at debug level. What gnet warns of, such
// as an event for a descriptor closed earlier in the same batch, is routine.
type gnetLogger struct {
	log *slog.Logger
}

func (g gnetLogger) Debugf(format string, args ...any) { g.pass(format, args) }
func (g gnetLogger) Infof(format string, args ...any)  { g.pass(format, args) }
func (g gnetLogger) Warnf(format string, args ...any)  { g.pass(format, args) }
func (g gnetLogger) Errorf(format string, args ...any) { g.pass(format, args) }
func (g gnetLogger) Fatalf(format string, args ...any) { g.pass(format, args) }

func (g gnetLogger) pass(format string, args []any) {
	if g.log.Enabled(context.Background(), slog.LevelDebug) {
		g.log.Debug("gnet", "message", fmt.Sprintf(format, args...))
	}
}
