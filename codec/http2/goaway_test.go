// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"testing"

	"github.com/sideloop/sideloop/codec"
)

func TestServerDrain(t *testing.T) {
	const announced = `
		. drain
		< GOAWAY 2147483647 NO_ERROR
		< PING sideloop
		. ticks 1s
		`
	runScripts(t, []script{
		{name: "idle, round trip", text: announced + `
			> PING ack sideloop
			< GOAWAY 0 NO_ERROR
			= shut`},
		{name: "idle, no answer", text: announced + `
			. tick 1s
			< GOAWAY 0 NO_ERROR
			= shut`},
		{name: "request under way is served", text: announced + `
			> HEADERS 1 end GET
			= 1 headers GET h/ end
			> PING ack sideloop
			< GOAWAY 1 NO_ERROR
			> PING ack sideloop
			. drain
			> HEADERS 3 POST
			> DATA 3 x
			> WINDOW_UPDATE 3 1
			> RST_STREAM 3 CANCEL
			. 1 head 200
			< HEADERS 1 :status=200
			. 1 data end
			< DATA 1 end
			= shut`},
		{name: "another PING ack is not the round trip", text: announced + `
			> PING ack 12345678
			> PING 12345678
			< PING ack 12345678`},
		{name: "last request is reset by the client", text: `
			> HEADERS 1 POST
			= 1 headers POST h/` + announced + `
			> PING ack sideloop
			< GOAWAY 1 NO_ERROR
			> RST_STREAM 1 CANCEL
			= 1 reset downstream_reset
			= glitch stream_reset
			= shut`},
		{name: "client says GOAWAY", text: `
			> HEADERS 1 POST
			= 1 headers POST h/
			> GOAWAY 0 NO_ERROR
			> GOAWAY 0 INTERNAL_ERROR
			= glitch goaway_error
			> DATA 1 x end
			= 1 data x end`},
	})
}

func TestClientGoAway(t *testing.T) {
	const open = `
		. open
		. 1 head GET / end
		< HEADERS 1 :method=GET :scheme=http :path=/ end
		. open
		. 3 head GET / end
		< HEADERS 3 :method=GET :scheme=http :path=/ end
		`
	runScripts(t, []script{
		{name: "streams above the last id are refused, the rest finish", client: true, text: open + `
			> GOAWAY 1 NO_ERROR
			= 3 reset upstream_goaway
			. capacity 0
			. active 1
			> HEADERS 1 end :status=200
			= 1 headers 200 end
			= shut
			< GOAWAY 0 NO_ERROR`},
		{name: "two steps", client: true, text: open + `
			> GOAWAY 2147483647 NO_ERROR
			. capacity 0
			> GOAWAY 1 NO_ERROR
			= 3 reset upstream_goaway`},
		{name: "nothing open", client: true, text: `
			> GOAWAY 2147483647 NO_ERROR
			< GOAWAY 0 NO_ERROR
			= shut`},
		{name: "error code", client: true, text: open + `
			> GOAWAY 1 ENHANCE_YOUR_CALM
			= glitch goaway_error
			= 3 reset upstream_refused`},
		{name: "drain", client: true, text: open + `
			. drain
			. capacity 0
			> HEADERS 3 end :status=200
			= 3 headers 200 end
			> HEADERS 1 end :status=200
			= 1 headers 200 end
			= shut
			< GOAWAY 0 NO_ERROR`},
		{name: "drain of an idle client", client: true, text: `
			. drain
			< GOAWAY 0 NO_ERROR
			= shut`},
	})
}

// TestStreamIDsRunOut: the last id is used, then the connection is done.
func TestStreamIDsRunOut(t *testing.T) {
	var events log
	var mem codec.Memory
	limits := DefaultLimits()
	owner := newOwner(&events)
	c := NewClient(newSink(), owner, &mem, &limits)
	c.maxID = maxStreamID - 2
	if c.Capacity() == 0 {
		t.Fatal("one id is left")
	}
	s := c.Open(&holder{events: &events})
	if got := s.(*stream).id; got != maxStreamID {
		t.Fatalf("opened %d", got)
	}
	if c.Capacity() != 0 || c.Open(nil) != nil {
		t.Fatal("no id is left, yet there is capacity")
	}
	s.SendHeaders(&Head{}, nil, true)
	s.Reset(codec.DownstreamReset)
	if !owner.shut || owner.reason != codec.ReasonNone {
		t.Fatal("a connection out of ids did not end with its last stream")
	}
}
