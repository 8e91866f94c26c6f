// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/test/peer"
)

const tenMegabytes = "/10000000"

func TestR1DataDribble(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.open(setting{ID: http2.SettingInitialWindowSize, Val: 1})
	a.Send(peer.Headers(1, peer.Plain("GET", tenMegabytes), peer.EndStream|peer.EndHeaders))
	a.Until("the first byte", func(s *peer.Seen) bool { return s.Bodies[1] == 1 })
	a.Repeat(full(100_000, 25_000), stall, always(peer.WindowUpdate(1, 1)))
	a.WantClosed(calm)
	w.wantGlitch("window_update_flood", 5000)
	w.wantReleased()
}

// A client that takes its reply byte by byte, slowly enough to be no flood, has
// it cut off.
func TestR1SlowDribble(t *testing.T) {
	waits(t)
	w := newWorld(t, setup{limits: `"stream_idle_timeout": "2s"`})
	a := w.open(setting{ID: http2.SettingInitialWindowSize, Val: 1})
	a.Send(peer.Headers(1, peer.Plain("GET", tenMegabytes), peer.EndStream|peer.EndHeaders))
	reset := func() bool { return peer.Look(a, func(s *peer.Seen) bool { return len(s.Resets) > 0 }) }
	for deadline := time.Now().Add(peer.Patience); !reset() && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		a.Send(peer.WindowUpdate(1, 1))
	}
	a.WantReset(1, http2.ErrCodeCancel)
	w.eventually("the reason was counted", func() bool {
		return w.stats().Glitches("stalled_stream")+w.stats().EndedFor(uint8(codec.IdleTimeout)) >= 1
	})
	w.wantReleased()
}

// All windows are open, and nothing is read: what the proxy takes of the service
// is bounded by stream.
func TestR7InternalBuffering(t *testing.T) {
	const streams = 20
	w := newWorld(t, setup{held: streams * 512 << 10})
	a := w.deaf(setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	a.Send(peer.WindowUpdate(0, 1<<31-1-65535))
	for i := range streams {
		a.Send(peer.Headers(odd(i), peer.Plain("GET", tenMegabytes), peer.EndStream|peer.EndHeaders))
	}
	before := int64(-1)
	w.eventually("the service is stopped", func() bool {
		time.Sleep(200 * time.Millisecond)
		now := w.sent.Load()
		stopped := now > 0 && now == before
		before = now
		return stopped
	})
	// A window of 256 KiB each, and what the sockets' buffers take on the way.
	if most := int64(streams*512<<10 + 16<<20); before > most {
		t.Errorf("the service could send %d bytes", before)
	}
	t.Logf("the service could send %d bytes", before)
	w.citizen.still(t, 20)
	a.Close()
	w.wantReleased()
}

// Frames of one byte that wait for a slow host end the connection.
func TestR17TinyData(t *testing.T) {
	w := newWorld(t, setup{hostSettings: noWindow})
	a := w.open()
	a.Send(peer.Headers(1, peer.Plain("POST", "/host"), peer.EndHeaders))
	a.Repeat(full(1_000_000, 65_000), stall, always(peer.Data(1, []byte("x"), 0)))
	a.WantClosed(calm)
	w.wantGlitch("small_data_flood", 5000)
	w.wantReleased()
}

// Small messages that are taken as they come, as those of gRPC streams, pass in
// any number.
func TestR17SmallMessagesPass(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.open(setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	a.Send(peer.WindowUpdate(0, 1<<31-1-65535))
	a.Send(peer.Headers(1, peer.Plain("POST", "/echo", "content-type", "application/grpc", "te", "trailers"), peer.EndHeaders))
	message := []byte("\x00\x00\x00\x00\x05hello")
	const batch = 100
	n := full(5000, 300)
	for i := range n {
		a.Repeat(batch, stall, always(peer.Data(1, message, 0)))
		a.Until("the echo", func(s *peer.Seen) bool { return s.Bodies[1] == (i+1)*batch*len(message) })
	}
	a.Send(peer.Data(1, nil, peer.EndStream))
	a.WantEnd(1)
	w.wantNoGlitch("small_data_flood", "glitch_drain")
}

func TestR18WindowUpdates(t *testing.T) {
	t.Run("flood", func(t *testing.T) {
		w := newWorld(t, setup{})
		a := w.open()
		a.Repeat(full(100_000, 25_000), stall, always(peer.WindowUpdate(0, 1)))
		a.WantClosed(calm)
		w.wantGlitch("window_update_flood", 5000)
	})
	t.Run("stream overflow", func(t *testing.T) {
		w := newWorld(t, setup{})
		a := w.open()
		a.Send(peer.Headers(1, peer.Plain("GET", "/host"), peer.EndStream|peer.EndHeaders), peer.WindowUpdate(1, 1<<31-1))
		a.WantReset(1, http2.ErrCodeFlowControl)
		a.WantPong()
		w.wantGlitch("stream_window_overflow", 1)
		w.wantReleased()
	})
	t.Run("connection overflow", func(t *testing.T) {
		w := newWorld(t, setup{})
		a := w.open()
		a.Send(peer.WindowUpdate(0, 1<<31-1))
		a.WantClosed(flowControl)
		w.wantGlitch("window_overflow", 1)
	})
	t.Run("settings overflow", func(t *testing.T) {
		w := newWorld(t, setup{})
		a := w.open()
		a.Send(peer.Headers(1, peer.Plain("GET", "/host"), peer.EndStream|peer.EndHeaders), peer.WindowUpdate(1, 1<<30),
			peer.Settings(setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1}))
		a.WantClosed(flowControl)
		w.wantGlitch("settings_window_overflow", 1)
	})
}

// A client that takes nothing of a large reply has its stream reset in time, and
// the service is free of it; the connection goes on.
func TestR20ZeroWindow(t *testing.T) {
	waits(t)
	n := full(100, 4)
	// Long enough for a busy machine to answer the citizen within.
	w := newWorld(t, setup{limits: `"stream_idle_timeout": "2s"`, held: (n + 1) << 16})
	a := w.open(noWindow()...)
	for i := range n {
		a.Send(peer.Headers(odd(i), peer.Plain("GET", "/100000000"), peer.EndStream|peer.EndHeaders))
	}
	for i := range n {
		a.WantReset(odd(i), http2.ErrCodeCancel)
	}
	w.wantReleased()
	w.eventually("the reason was counted", func() bool { return w.stats().EndedFor(uint8(codec.IdleTimeout)) == uint64(n) })
	a.WantPong()
	// A reply that fits its service's window is complete for everybody but the
	// client.
	a.Send(peer.Headers(odd(n), peer.Plain("GET", "/1000"), peer.EndStream|peer.EndHeaders))
	a.WantReset(odd(n), http2.ErrCodeCancel)
	w.wantGlitch("stalled_stream", 1)
}

// The same of a host that takes nothing of a large request.
func TestR20HostWithZeroWindow(t *testing.T) {
	waits(t)
	w := newWorld(t, setup{hostLimits: `"stream_idle_timeout": "2s"`, hostSettings: noWindow, held: 1 << 20})
	a := w.open()
	// The host's settings are known once it has answered the connection.
	a.Send(peer.Headers(1, peer.Plain("POST", "/host"), peer.EndHeaders))
	w.eventually("the first is there", func() bool { return w.host.Counts().InFlight == 1 })
	a.Send(peer.Reset(1, http2.ErrCodeCancel))
	w.eventually("the first was reset", func() bool { return w.host.Counts().Resets == 1 })
	a.Send(peer.Headers(3, peer.Plain("POST", "/host"), peer.EndHeaders), peer.Data(3, make([]byte, wholeFrame), 0))
	a.WantStatus(3, "504")
	w.wantGlitch("stalled_stream", 1)
	w.wantReleased()
}

// Padding that is as long as its frame is an error; padding that is not is given
// back, all of it.
func TestR25Padding(t *testing.T) {
	for name, frame := range map[string][]byte{
		"DATA":    peer.Data(1, append([]byte{10}, make([]byte, 9)...), peer.Padded),
		"HEADERS": peer.Headers(3, append([]byte{10}, make([]byte, 9)...), peer.Padded|peer.EndHeaders),
	} {
		t.Run("as long as "+name, func(t *testing.T) {
			w := newWorld(t, setup{})
			a := w.open()
			a.Send(peer.Headers(1, peer.Plain("POST", "/host"), peer.EndHeaders), frame)
			a.WantClosed(protocol)
			w.wantReleased()
		})
	}
	t.Run("all padding", func(t *testing.T) {
		w := newWorld(t, setup{limits: `"max_empty_data_frames": 1000000`})
		a := w.open(setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
		block := append([]byte{255}, peer.Plain("POST", "/echo")...)
		a.Send(peer.Headers(1, append(block, make([]byte, 255)...), peer.Padded|peer.EndHeaders))
		// Many times both windows.
		padding := peer.Data(1, append([]byte{255}, make([]byte, 255)...), peer.Padded)
		body := append([]byte{255}, bytes.Repeat([]byte("b"), 1+255)...)
		for range full(200, 20) {
			a.Repeat(100, stall, always(padding))
			a.WantPong()
		}
		a.Send(peer.Data(1, body, peer.Padded|peer.EndStream))
		a.WantEnd(1)
		if n := peer.Look(a, func(s *peer.Seen) int { return s.Bodies[1] }); n != 1 {
			t.Errorf("%d bytes came back; want 1", n)
		}
	})
}
