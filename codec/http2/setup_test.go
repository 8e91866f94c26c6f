// SPDX-License-Identifier: Apache-2.0

package http2

import "testing"

func TestSetup(t *testing.T) {
	runScripts(t, []script{
		{name: "server", raw: true, text: clientHello},
		{name: "client", raw: true, client: true, text: serverHello},
		{name: "request before the server has read anything", raw: true, client: true, text: `
			< PREFACE
			< SETTINGS ENABLE_PUSH=0 MAX_HEADER_LIST_SIZE=65536
			< WINDOW_UPDATE 0 983041
			. open
			. 1 head GET / end
			< HEADERS 1 :method=GET :scheme=http :path=/ end
			> SETTINGS
			< SETTINGS ack
			> HEADERS 1 end :status=204
			= 1 headers 204 end`},
		{name: "HTTP/1 on the port", raw: true, text: `
			< SETTINGS MAX_CONCURRENT_STREAMS=1024 MAX_HEADER_LIST_SIZE=65536
			< WINDOW_UPDATE 0 983041
			> TEXT GET\s/\sHTTP/1.1\r\n\r\n
			< GOAWAY 0 PROTOCOL_ERROR
			= glitch bad_preface
			= shut protocol_error`},
		{name: "preface wrong in its last byte", raw: true, text: `
			< SETTINGS MAX_CONCURRENT_STREAMS=1024 MAX_HEADER_LIST_SIZE=65536
			< WINDOW_UPDATE 0 983041
			> RAW 505249202a20485454502f322e300d0a0d0a534d0d0a0d0b
			< GOAWAY 0 PROTOCOL_ERROR
			= glitch bad_preface
			= shut protocol_error`},
		{name: "first frame of the client is not SETTINGS", raw: true, text: `
			< SETTINGS MAX_CONCURRENT_STREAMS=1024 MAX_HEADER_LIST_SIZE=65536
			< WINDOW_UPDATE 0 983041
			> PREFACE
			> PING 12345678
			< GOAWAY 0 PROTOCOL_ERROR
			= glitch settings_not_first
			= shut protocol_error`},
		{name: "first frame of the server is an acknowledgement", raw: true, client: true, text: `
			< PREFACE
			< SETTINGS ENABLE_PUSH=0 MAX_HEADER_LIST_SIZE=65536
			< WINDOW_UPDATE 0 983041
			> SETTINGS ack
			< GOAWAY 0 PROTOCOL_ERROR
			= glitch settings_not_first
			= shut upstream_protocol_error`},
		{name: "HTTP/1 server", raw: true, client: true, text: `
			< PREFACE
			< SETTINGS ENABLE_PUSH=0 MAX_HEADER_LIST_SIZE=65536
			< WINDOW_UPDATE 0 983041
			> TEXT HTTP/1.1\s400\sBad\sRequest\r\n
			< GOAWAY 0 FRAME_SIZE_ERROR
			= glitch frame_too_large
			= shut upstream_protocol_error`},
		{name: "nothing comes", raw: true, text: `
			< SETTINGS MAX_CONCURRENT_STREAMS=1024 MAX_HEADER_LIST_SIZE=65536
			< WINDOW_UPDATE 0 983041
			. ticks 10s
			. tick 10s
			< GOAWAY 0 PROTOCOL_ERROR
			= glitch setup_timeout
			= shut idle_timeout`},
		{name: "a server says nothing", raw: true, client: true, text: `
			< PREFACE
			< SETTINGS ENABLE_PUSH=0 MAX_HEADER_LIST_SIZE=65536
			< WINDOW_UPDATE 0 983041
			. ticks 10s
			. tick 10s
			< GOAWAY 0 PROTOCOL_ERROR
			= glitch setup_timeout
			= shut upstream_unresponsive`},
		{name: "half a preface", raw: true, text: `
			< SETTINGS MAX_CONCURRENT_STREAMS=1024 MAX_HEADER_LIST_SIZE=65536
			< WINDOW_UPDATE 0 983041
			> RAW 505249
			. tick 9s
			. ticks 1s
			. tick 1s
			< GOAWAY 0 PROTOCOL_ERROR
			= glitch setup_timeout
			= shut idle_timeout`},
		{name: "settings never acknowledged", raw: true, text: `
			< SETTINGS MAX_CONCURRENT_STREAMS=1024 MAX_HEADER_LIST_SIZE=65536
			< WINDOW_UPDATE 0 983041
			> PREFACE
			> SETTINGS
			< SETTINGS ack
			. tick 9s
			. tick 1s
			< GOAWAY 0 SETTINGS_TIMEOUT
			= glitch settings_ack_timeout
			= shut idle_timeout`},
		{name: "setup in time", text: `
			. tick 10s
			. tick 10s`},
		{name: "our settings other than the defaults", raw: true,
			limits: func(l *Limits) { l.StreamWindow, l.ConnWindow = 100, initialWindow }, text: `
			< SETTINGS MAX_CONCURRENT_STREAMS=1024 MAX_HEADER_LIST_SIZE=65536 INITIAL_WINDOW_SIZE=100
			> PREFACE
			> SETTINGS
			< SETTINGS ack`},
	})
}

// A probe is a PING, whose answer is no anomaly.
func TestProbe(t *testing.T) {
	runScripts(t, []script{{name: "probes", client: true, text: `
		. probe
		< PING is-alive
		. probe
		< PING is-alive
		> PING ack is-alive
		> PING ack is-alive`}})
}
