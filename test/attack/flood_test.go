// SPDX-License-Identifier: Apache-2.0

package attack

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/test/peer"
)

type setting = http2.Setting

// Codes of GOAWAY, as WantClosed takes them.
const (
	calm        = int(http2.ErrCodeEnhanceYourCalm)
	protocol    = int(http2.ErrCodeProtocol)
	flowControl = int(http2.ErrCodeFlowControl)
	frameSize   = int(http2.ErrCodeFrameSize)
	noCode      = -1
)

// stall is how long an attacker keeps trying to send what is not taken.
const stall = 2 * time.Second

// always is one frame again and again.
func always(frame []byte) func(int) []byte { return func(int) []byte { return frame } }

// odd is the id of the i-th request.
func odd(i int) uint32 { return uint32(2*i + 1) }

func TestR2PingFlood(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.open()
	a.Repeat(full(100_000, 25_000), stall, always(peer.Ping()))
	a.WantClosed(calm)
	w.wantGlitch("ping_flood", 5000)
}

func TestR2PingFloodUnread(t *testing.T) {
	w := newWorld(t, setup{limits: `"overhead_burst": 1000000, "glitch_threshold": 0, "max_outbound_control_frames": 100`})
	a := w.deaf()
	a.Repeat(1_000_000, stall, always(peer.Ping()))
	w.wantGlitch("ping_flood", 1)
	a.WantClosed(noCode)
}

func TestR3PriorityFlood(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.open()
	a.Repeat(full(1_000_000, 25_000), stall, func(i int) []byte { return peer.PriorityOn(odd(i%1000), odd((i+1)%1000)) })
	a.WantClosed(calm)
	w.wantGlitch("priority_flood", 5000)
}

func TestR4ResetFlood(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.open()
	bad := peer.Plain("GET", "/host", "Upper", "case")
	a.Repeat(full(100_000, 2000), stall, func(i int) []byte { return peer.Headers(odd(i), bad, peer.EndStream|peer.EndHeaders) })
	a.WantClosed(calm)
	// 1000, and 33 for each second that this may take.
	if n := peer.Look(a, func(s *peer.Seen) int { return len(s.Resets) }); n > 1200 {
		t.Errorf("%d RST_STREAM were sent", n)
	}
	w.wantGlitch("field_name", 700)
	if n := w.host.Counts().Requests; n > 0 {
		t.Errorf("%d malformed requests reached the host", n)
	}
}

func TestR5SettingsFlood(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.open()
	a.Repeat(full(100_000, 25_000), stall, always(peer.Settings(setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})))
	a.WantClosed(calm)
	w.wantGlitch("settings_flood", 5000)
}

func TestR5SettingsUnread(t *testing.T) {
	w := newWorld(t, setup{limits: `"overhead_burst": 1000000, "glitch_threshold": 0, "max_outbound_control_frames": 100`})
	a := w.deaf()
	a.Repeat(1_000_000, stall, always(peer.Settings()))
	w.wantGlitch("settings_flood", 1)
	a.WantClosed(noCode)
}

func TestR5ManySettings(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.open()
	a.Send(peer.Settings(make([]setting, 1000)...))
	a.WantClosed(calm)
	w.wantGlitch("settings_entries", 1)
}

func TestR8EmptyData(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.open()
	a.Send(peer.Headers(1, peer.Plain("POST", "/host"), peer.EndHeaders))
	a.Repeat(full(100_000, 1000), stall, always(peer.Data(1, nil, 0)))
	a.WantClosed(calm)
	w.wantGlitch("empty_data_flood", 1)
}

func TestR8PaddedEmptyData(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.open()
	a.Send(peer.Headers(1, peer.Plain("POST", "/host"), peer.EndHeaders))
	a.Repeat(full(100_000, 1000), stall, always(peer.Data(1, []byte{0}, peer.Padded)))
	a.WantClosed(calm)
	w.wantGlitch("empty_data_flood", 1)
}

func TestR8EmptyHeaders(t *testing.T) {
	w := newWorld(t, setup{})
	a := w.open()
	a.Send(peer.Headers(1, nil, 0))
	a.Repeat(full(100_000, 1000), stall, always(peer.Continuation(1, nil, 0)))
	a.WantClosed(calm)
	w.wantGlitch("continuation_flood", 1)
}

// A client that pipelines what is answered and reads nothing is not read any
// more.
func TestR19OutputQueue(t *testing.T) {
	bad := peer.Plain("GET", "/host", "Upper", "case")
	large := append(peer.Plain("GET", "/host"), bytes.Repeat(peer.Literal("a", ""), 20)...)
	for _, x := range []struct {
		name, word string
		one        func(i int) []byte
	}{
		{"acknowledgements and resets", "field_name", func(i int) []byte {
			return append(append(peer.Ping(), peer.Settings()...), peer.Headers(odd(i), bad, peer.EndStream|peer.EndHeaders)...)
		}},
		{"header lists over the limit", "header_too_large", func(i int) []byte {
			return peer.Headers(odd(i), large, peer.EndStream|peer.EndHeaders)
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := newWorld(t, setup{limits: `"max_header_fields": 16, "overhead_burst": 1000000, "reset_burst": 1000000, "glitch_threshold": 0`})
			a := w.deaf()
			n := 1_000_000
			if a.Repeat(n, stall, x.one) == n {
				t.Error("all was taken")
			}
			taken := w.stats().Glitches(x.word)
			w.citizen.still(t, 20)
			if now := w.stats().Glitches(x.word); now != taken || now == 0 {
				t.Errorf("%d requests were taken, and %d later", taken, now)
			}
			if turns, err := w.proxy.Turns(); err != nil || turns.Blocked == 0 {
				t.Errorf("the client's connection is not blocked, %v", err)
			}
		})
	}
}

// Replies pile up for nobody: a client that reads nothing has only so many
// requests taken.
func TestR19RepliesUnread(t *testing.T) {
	w := newWorld(t, setup{held: 1 << 20})
	a := w.deaf()
	a.Send(peer.WindowUpdate(0, 1<<31-1-65535))
	const batch, most = 200, 100_000
	request := peer.Plain("GET", "/1000", "x-attack", "1")
	for sent := 0; ; sent += batch {
		if sent == most {
			t.Fatal("all requests were taken")
		}
		before := w.attacks.Load()
		a.Repeat(batch, stall, func(i int) []byte { return peer.Headers(odd(sent+i), request, peer.EndStream|peer.EndHeaders) })
		for deadline := time.Now().Add(stall); w.attacks.Load() < before+batch && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		if w.attacks.Load() < before+batch {
			t.Logf("%d of %d requests were taken", w.attacks.Load(), sent+batch)
			break
		}
	}
	a.Close()
	w.wantReleased()
}
