// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"net"
	"testing"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/test/peer"
)

// Hosts that leave as a request is on its way to them over a connection that has
// been used before cost no request that they did not process, and none that may
// be sent twice.
func TestR28HostsThatLeave(t *testing.T) {
	// Each connection answers nine requests before it goes: a host that fails more
	// than a fifth of them is left to the retry budget.
	const served = 9
	for _, x := range []struct {
		name, method string
		leave        func(*peer.Exchange)
	}{
		{"GOAWAY below", "POST", func(x *peer.Exchange) { x.WriteGoAway(x.ID-2, http2.ErrCodeNo, nil); x.Done() }},
		{"GOAWAY below, then FIN", "POST", func(x *peer.Exchange) {
			x.WriteGoAway(x.ID-2, http2.ErrCodeNo, nil)
			x.Conn.(*net.TCPConn).CloseWrite()
			x.Done()
		}},
		{"GOAWAY below with an error", "POST", func(x *peer.Exchange) { x.WriteGoAway(x.ID-2, http2.ErrCodeEnhanceYourCalm, nil); x.Done() }},
		{"two GOAWAY", "POST", func(x *peer.Exchange) {
			x.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
			x.WriteGoAway(x.ID-2, http2.ErrCodeNo, nil)
			x.Done()
		}},
		{"GOAWAY that includes it", "POST", func(x *peer.Exchange) { x.WriteGoAway(x.ID, http2.ErrCodeNo, nil); x.Answer("fine") }},
		{"REFUSED_STREAM", "POST", func(x *peer.Exchange) { x.WriteRSTStream(x.ID, http2.ErrCodeRefusedStream); x.Done() }},
		{"FIN", "GET", func(x *peer.Exchange) { x.Conn.(*net.TCPConn).CloseWrite(); x.Done() }},
		{"close", "GET", func(x *peer.Exchange) { x.Conn.Close(); x.Done() }},
		{"reset", "PUT", func(x *peer.Exchange) { x.Conn.(*net.TCPConn).SetLinger(0); x.Conn.Close(); x.Done() }},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := newWorld(t, setup{script: func(e *peer.Exchange) {
				if e.Number == served+1 {
					x.leave(e)
				} else {
					e.Answer("fine")
				}
			}})
			a := w.open()
			n := full(2000, 60)
			for i := range n {
				a.Send(peer.Headers(odd(i), peer.Plain(x.method, "/host"), peer.EndStream|peer.EndHeaders))
				a.WantStatus(odd(i), "200")
				a.WantEnd(odd(i))
			}
			if c := w.host.Counts().Connections; c < n/(served+1) && x.name != "REFUSED_STREAM" {
				t.Errorf("%d requests went over %d connections; the host never left", n, c)
			}
		})
	}
}

// A request that may not be sent twice fails with its reason when its connection
// is lost.
func TestR28NotSentTwice(t *testing.T) {
	w := newWorld(t, setup{script: func(x *peer.Exchange) { x.Conn.Close(); x.Done() }})
	a := w.open()
	for i, method := range []string{"POST", "PATCH", "GET"} {
		a.Send(peer.Headers(odd(i), peer.Plain(method, "/host"), peer.EndStream|peer.EndHeaders))
		a.WantStatus(odd(i), "502")
	}
	// GET was tried once more, and no more often.
	if n := w.host.Counts().Requests; n != 4 {
		t.Errorf("the host saw %d requests", n)
	}
	w.eventually("the reason was counted", func() bool { return w.stats().EndedFor(uint8(codec.UpstreamClosed)) == 3 })
}

// A reply that is not complete never looks like one that is.
func TestR29BrokenReplies(t *testing.T) {
	head := func(x *peer.Exchange, fields ...string) {
		x.Head(false, append([]string{":status", "200"}, fields...)...)
	}
	for _, x := range []struct {
		name   string
		script func(*peer.Exchange)
		reason codec.Reason
	}{
		{"reset after the head", func(x *peer.Exchange) { head(x); x.WriteRSTStream(x.ID, http2.ErrCodeInternal) }, codec.UpstreamReset},
		{"reset with NO_ERROR after the head", func(x *peer.Exchange) { head(x); x.WriteRSTStream(x.ID, http2.ErrCodeNo) }, codec.UpstreamReset},
		{"reset within the body", func(x *peer.Exchange) {
			head(x)
			x.WriteData(x.ID, false, []byte("half"))
			x.WriteRSTStream(x.ID, http2.ErrCodeCancel)
		}, codec.UpstreamReset},
		{"FIN within the body", func(x *peer.Exchange) {
			head(x)
			x.WriteData(x.ID, false, []byte("half"))
			x.Conn.(*net.TCPConn).CloseWrite()
		}, codec.UpstreamClosed},
		{"close within a frame", func(x *peer.Exchange) {
			head(x)
			x.Conn.Write(peer.Data(x.ID, make([]byte, 1000), peer.EndStream)[:500])
			x.Conn.(*net.TCPConn).CloseWrite()
		}, codec.UpstreamClosed},
		{"shorter than content-length", func(x *peer.Exchange) { head(x, "content-length", "10"); x.WriteData(x.ID, true, []byte("half")) }, codec.UpstreamProtocolError},
		{"longer than content-length", func(x *peer.Exchange) {
			head(x, "content-length", "3")
			x.WriteData(x.ID, false, []byte("half"))
		}, codec.UpstreamProtocolError},
		{"no body for content-length", func(x *peer.Exchange) { head(x, "content-length", "3"); x.WriteData(x.ID, true, nil) }, codec.UpstreamProtocolError},
		{"trailers that do not end", func(x *peer.Exchange) {
			head(x)
			x.WriteData(x.ID, false, []byte("half"))
			x.Head(false, "a", "b")
		}, codec.UpstreamProtocolError},
		{"GOAWAY with an error and FIN", func(x *peer.Exchange) {
			head(x)
			x.WriteData(x.ID, false, []byte("half"))
			x.WriteGoAway(x.ID, http2.ErrCodeInternal, nil)
			x.Conn.(*net.TCPConn).CloseWrite()
		}, codec.UpstreamClosed},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := newWorld(t, setup{script: func(e *peer.Exchange) { x.script(e); e.Done() }})
			a := w.open()
			n := full(200, 5)
			for i := range n {
				a.Send(peer.Headers(odd(i), peer.Plain("GET", "/host"), peer.EndStream|peer.EndHeaders))
				a.Until("the end", func(s *peer.Seen) bool {
					_, reset := s.Resets[odd(i)]
					return reset || s.Ended[odd(i)]
				})
				ended, status := peer.Look(a, func(s *peer.Seen) bool { return s.Ended[odd(i)] }), peer.Look(a, func(s *peer.Seen) string { return s.Statuses[odd(i)] })
				if ended && status == "200" {
					t.Fatal("a clean end")
				}
			}
			w.eventually("the reason was counted", func() bool { return w.stats().EndedFor(uint8(x.reason)) == uint64(n) })
			a.WantPong()
		})
	}
}
