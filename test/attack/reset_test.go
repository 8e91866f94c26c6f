// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/test/peer"
)

// hundred limits what one client has in flight.
const hundred = `"max_concurrent_streams": 100`

// wantBounded checks that no more than the client's streams were ever in flight
// toward the host, and that all are cancelled.
func (w *world) wantBounded(most int) {
	w.t.Helper()
	before := -1
	w.eventually("the host has seen all there was", func() bool {
		time.Sleep(20 * time.Millisecond)
		now := w.host.Counts().Requests
		settled := now == before
		before = now
		return settled
	})
	w.wantReleased()
	n := w.host.Counts()
	if n.Peak > most {
		w.t.Errorf("%d requests were in flight at once; want at most %d", n.Peak, most)
	}
	w.t.Logf("the host saw %d requests, %d at once, %d reset", n.Requests, n.Peak, n.Resets)
}

// warm makes the connection to the host, so that requests go there at once.
func (w *world) warm() {
	w.t.Helper()
	a := w.open()
	a.Send(peer.Headers(1, peer.Plain("GET", "/host"), peer.EndStream|peer.EndHeaders))
	w.eventually("a request is with the host", func() bool { return w.host.Counts().InFlight == 1 })
	a.Close()
	w.eventually("it is cancelled", func() bool { return w.host.Counts().InFlight == 0 })
}

func TestR9RapidReset(t *testing.T) {
	w := newWorld(t, setup{limits: hundred})
	w.warm()
	a := w.open()
	request := peer.Plain("GET", "/host")
	a.Repeat(full(100_000, 3000), stall, func(i int) []byte {
		return append(peer.Headers(odd(i), request, peer.EndStream|peer.EndHeaders), peer.Reset(odd(i), http2.ErrCodeCancel)...)
	})
	a.WantClosed(calm)
	w.wantGlitch("rapid_reset", 1)
	w.wantBounded(100)
	// Those of the first turns, and some whose RST_STREAM was not there yet.
	if n := w.host.Counts().Requests; n < 10 || n > 500 {
		t.Errorf("the host saw %d requests of a client that is cut off after 1000", n)
	}
	if n := w.stats().Glitches("stream_reset"); n < 1000 || n > 1200 {
		t.Errorf("%d requests were reset before the end", n)
	}
}

// Requests come in volleys larger than the limit, and then their resets.
func TestR9Volleys(t *testing.T) {
	w := newWorld(t, setup{limits: hundred})
	w.warm()
	a := w.open()
	request := peer.Plain("GET", "/host")
	const volley = 150
	for round := range full(700, 15) {
		closed := !a.Send(
			slices.Concat(eachOf(round*volley, volley, func(id uint32) []byte { return peer.Headers(id, request, peer.EndStream|peer.EndHeaders) })...),
			slices.Concat(eachOf(round*volley, 100, func(id uint32) []byte { return peer.Reset(id, http2.ErrCodeCancel) })...))
		if closed {
			break
		}
	}
	a.WantClosed(calm)
	w.wantGlitch("rapid_reset", 1)
	w.wantGlitch("too_many_streams", 100)
	w.wantBounded(100)
	if n := w.host.Counts().Peak; n < 50 {
		t.Errorf("the host had %d requests at once; the volleys did not arrive", n)
	}
}

// eachOf makes a frame for each of n requests.
func eachOf(from, n int, one func(id uint32) []byte) [][]byte {
	var frames [][]byte
	for i := range n {
		frames = append(frames, one(odd(from+i)))
	}
	return frames
}

// The same on the service that the citizen uses, over the connection that it
// uses.
func TestR9RapidResetBesideTheCitizen(t *testing.T) {
	w := newWorld(t, setup{limits: hundred})
	a := w.open()
	request := peer.Plain("GET", "/echo")
	a.Repeat(full(100_000, 3000), stall, func(i int) []byte {
		return append(peer.Headers(odd(i), request, peer.EndHeaders), peer.Reset(odd(i), http2.ErrCodeCancel)...)
	})
	a.WantClosed(calm)
	w.wantGlitch("rapid_reset", 1)
	w.wantReleased()
}

// Resets below the limit, for ever: each request costs the host one at most, and
// no more than the limit are there at once. All are accounted, also those that a
// suspect client has already reset, which the host never sees.
func TestR9ResetsWithinTheLimit(t *testing.T) {
	w := newWorld(t, setup{limits: hundred + `, "reset_burst": 1048576`})
	w.warm()
	a := w.open()
	request := peer.Plain("GET", "/host")
	n := full(100_000, 3000)
	a.Repeat(n, stall, func(i int) []byte {
		return append(peer.Headers(odd(i), request, peer.EndStream|peer.EndHeaders), peer.Reset(odd(i), http2.ErrCodeCancel)...)
	})
	a.WantPong()
	w.eventually("all requests ended", func() bool {
		s := w.stats()
		return s.EndedFor(uint8(codec.DownstreamReset))+s.Glitches("reset_unprocessed") == uint64(n)
	})
	w.wantBounded(100)
	// The client is suspect from a thirty-second of its burst on.
	if saw := w.host.Counts().Requests; saw < min(n, 1048576/32)/2 {
		t.Errorf("the host saw %d of %d requests", saw, n)
	}
}

// TestR11MadeYouReset makes the proxy reset the request, by each of the ways
// there are.
func TestR11MadeYouReset(t *testing.T) {
	open, ended := peer.Plain("POST", "/host"), peer.Plain("GET", "/host")
	for _, x := range []struct {
		name, word string
		end        http2.Flags
		provoke    func(id uint32) []byte
	}{
		{"WINDOW_UPDATE of 0", "stream_window_update_zero", 0, func(id uint32) []byte { return peer.WindowUpdate(id, 0) }},
		{"WINDOW_UPDATE over the limit", "stream_window_overflow", 0, func(id uint32) []byte { return peer.WindowUpdate(id, 1<<31-1) }},
		{"PRIORITY of 4 bytes", "priority_size", 0, func(id uint32) []byte { return peer.Frame(http2.FramePriority, 0, id, make([]byte, 4)) }},
		{"PRIORITY on itself", "priority_self", 0, func(id uint32) []byte { return peer.PriorityOn(id, id) }},
		{"HEADERS after END_STREAM", "headers_after_end", peer.EndStream, func(id uint32) []byte { return peer.Headers(id, ended, peer.EndStream|peer.EndHeaders) }},
		{"DATA after END_STREAM", "data_after_end", peer.EndStream, func(id uint32) []byte { return peer.Data(id, []byte("x"), 0) }},
		{"HEADERS in the middle", "headers_without_end", 0, func(id uint32) []byte { return peer.Headers(id, ended, peer.EndHeaders) }},
		{"DATA over the window", "stream_window_exceeded", 0, func(id uint32) []byte {
			// The rest of the connection's window is large enough.
			var b []byte
			for range 5 {
				b = append(b, peer.Data(id, make([]byte, 16<<10), 0)...)
			}
			return b
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := newWorld(t, setup{limits: hundred, hostSettings: noWindow})
			w.warm()
			a := w.open()
			block := open
			if x.end != 0 {
				block = ended
			}
			a.Repeat(full(20_000, 2000), stall, func(i int) []byte {
				return append(peer.Headers(odd(i), block, x.end|peer.EndHeaders), x.provoke(odd(i))...)
			})
			a.WantClosed(calm)
			w.wantGlitch(x.word, 700)
			w.wantBounded(100)
			if n := w.host.Counts(); n.Requests < 700 || n.Resets < n.Requests-1 {
				t.Errorf("the host saw %d requests and %d resets", n.Requests, n.Resets)
			}
		})
	}
}

// noWindow is a host that takes no body bytes.
func noWindow() []setting {
	return []setting{{ID: http2.SettingInitialWindowSize, Val: 0}}
}

// Deadlines that pass are no attack: a client may reset as many requests as it
// likes once they have had their time, and frames may cross.
func TestCitizensResets(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.open()
	request := peer.Plain("POST", "/host")
	const batch = 200
	for round := range full(100, 12) {
		a.Repeat(batch, stall, func(i int) []byte {
			id := odd(round*batch + i)
			return append(peer.Headers(id, request, peer.EndHeaders), peer.Data(id, make([]byte, 100), 0)...)
		})
		a.WantPong()
		time.Sleep(120 * time.Millisecond) // the deadline
		a.Repeat(batch, stall, func(i int) []byte { return peer.Reset(odd(round*batch+i), http2.ErrCodeCancel) })
	}
	a.WantPong()
	w.wantNoGlitch("rapid_reset", "glitch_drain", "glitch_limit")
	w.wantReleased()
}

// What a client has under way when the proxy resets its request is no mistake,
// of however many requests.
func TestCitizensLateFrames(t *testing.T) {
	w := newWorld(t, setup{route: `, "timeout": "100ms"`, hostSettings: noWindow, held: 1 << 20})
	a := w.open()
	a.Send(peer.WindowUpdate(0, 1<<30)) // for the bodies of the answers
	request := peer.Plain("POST", "/host")
	const batch = 200
	body := make([]byte, 2000)
	for round := range full(50, 14) {
		a.Repeat(batch, stall, func(i int) []byte {
			id := odd(round*batch + i)
			return append(peer.Headers(id, request, peer.EndHeaders), peer.Data(id, body[:100], 0)...)
		})
		a.Until("all were answered", func(s *peer.Seen) bool { return len(s.Statuses) == (round+1)*batch })
		// Each was answered and reset; all go on.
		for range 20 {
			a.Repeat(batch, stall, func(i int) []byte { return peer.Data(odd(round*batch+i), body, 0) })
		}
		a.Repeat(batch, stall, func(i int) []byte { return peer.Data(odd(round*batch+i), nil, peer.EndStream) })
	}
	a.WantPong()
	w.wantNoGlitch("rapid_reset", "glitch_drain", "glitch_limit")
	w.wantReleased()
}

// A client that makes mistakes is asked to leave before it is cut off, and what
// it has in flight is finished.
func TestGlitchesDrainTheConnection(t *testing.T) {
	release := make(chan struct{})
	w := newWorld(t, setup{
		limits: `"glitch_threshold": 100, "glitch_decay": 1, "drain_timeout": "20s"`,
		script: func(x *peer.Exchange) {
			x.Done()
			go func() {
				<-release
				x.Answer("late")
			}()
		},
	})
	a := w.open()
	a.Send(peer.Headers(1, peer.Plain("GET", "/host"), peer.EndStream|peer.EndHeaders))
	bad := peer.Plain("GET", "/host", "Upper", "case")
	mistake := func(i int) []byte { return peer.Headers(odd(i+1), bad, peer.EndStream|peer.EndHeaders) }
	a.Repeat(7, stall, mistake)
	a.WantPong()
	w.wantNoGlitch("glitch_drain")
	a.Repeat(1, stall, func(int) []byte { return mistake(7) })
	a.Until("GOAWAY", func(s *peer.Seen) bool { return len(s.GoAways) == 1 })
	w.wantGlitch("glitch_drain", 1)
	// A request that was under way is still taken; the answer to the PING ends
	// that.
	a.Send(peer.Headers(101, peer.Plain("GET", "/1000"), peer.EndStream|peer.EndHeaders))
	a.WantEnd(101)
	a.Send(peer.Frame(http2.FramePing, http2.FlagPingAck, 0, []byte("sideloop")))
	a.Until("the last GOAWAY", func(s *peer.Seen) bool { return len(s.GoAways) == 2 })
	close(release)
	a.WantEnd(1)
	a.WantClosed(calm)
	got := peer.Look(a, func(s *peer.Seen) [2]uint32 { return [2]uint32{s.GoAways[0].LastStreamID, s.GoAways[1].LastStreamID} })
	if got != [2]uint32{1<<31 - 1, 101} {
		t.Errorf("GOAWAY named streams %v", got)
	}
	w.wantNoGlitch("glitch_limit")
}

func TestGlitchesCloseTheConnection(t *testing.T) {
	w := newWorld(t, setup{limits: `"glitch_threshold": 100, "glitch_decay": 1`})
	a := w.open()
	a.Send(peer.Headers(1, peer.Plain("GET", "/host"), peer.EndStream|peer.EndHeaders))
	bad := peer.Plain("GET", "/host", "Upper", "case")
	a.Repeat(20, stall, func(i int) []byte { return peer.Headers(odd(i+1), bad, peer.EndStream|peer.EndHeaders) })
	a.WantClosed(calm)
	w.wantGlitch("glitch_drain", 1)
	w.wantGlitch("glitch_limit", 1)
	w.wantBounded(1)
}
