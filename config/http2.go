// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strconv"
	"time"
)

// HTTP2Limits is what the peer of an HTTP/2 connection may ask for. Each member
// is described by its key in http2Limits, and by the member of the same name in
// the codec's own limits.
type HTTP2Limits struct {
	MaxStreams    int
	HeaderList    int
	HeaderFields  int
	Continuations int
	Informational int

	ConnWindow      int
	StreamWindow    int
	MaxStreamWindow int

	ResetBurst, ResetRate       int
	ResetTime                   time.Duration
	OverheadBurst, OverheadRate int
	EmptyData                   int
	Glitches, GlitchRate        int
	Replies                     int
	Backlog                     int
	UnreadRequests              int
	SettingsEntries             int
	Connect                     bool

	SetupTime  time.Duration
	AckTime    time.Duration
	BlockTime  time.Duration
	DrainTime  time.Duration
	LingerTime time.Duration
	StallTime  time.Duration
}

// Setting is the value in effect of one key.
type Setting struct {
	Key, Value string
	// Default: the file does not say otherwise.
	Default bool
}

// Settings lists the limits by key, those of a listener or of a cluster.
func (l *HTTP2Limits) Settings(listener bool) []Setting {
	defaults := view{o: http2Object}.http2Limits()
	var list []Setting
	for i := range http2Limits {
		k := &http2Limits[i]
		if k.listener && !listener {
			continue
		}
		s := Setting{Key: k.name, Value: k.text(l)}
		s.Default = s.Value == k.text(&defaults)
		list = append(list, s)
	}
	return list
}

func (k *http2Limit) text(l *HTTP2Limits) string {
	if k.number != nil {
		return strconv.Itoa(*k.number(l))
	}
	return k.duration(l).String()
}

// http2Limits reads the limits of a listener or of a cluster. Those that its
// table does not have get their defaults.
func (v view) http2Limits() HTTP2Limits {
	var l HTTP2Limits
	for i := range http2Limits {
		k := &http2Limits[i]
		from := v
		if v.o.key(k.name) == nil {
			from = view{o: http2Object}
		}
		if k.number != nil {
			*k.number(&l) = from.integer(k.name)
		} else {
			*k.duration(&l), _ = from.duration(k.name)
		}
	}
	v.windows(&l)
	return l
}

// windows settles the two windows of a stream, one of which may be a default.
func (v view) windows(l *HTTP2Limits) {
	switch initial, most := v.has("initial_stream_window_size"), v.has("max_stream_window_size"); {
	case l.MaxStreamWindow >= l.StreamWindow:
	case initial && most:
		v.errorf("max_stream_window_size", "a window can not grow from %d to %d; expected at least initial_stream_window_size", l.StreamWindow, l.MaxStreamWindow)
	case initial:
		l.MaxStreamWindow = l.StreamWindow
	default:
		l.StreamWindow = l.MaxStreamWindow
	}
}

// hasLimits tells whether an Http2 of a listener states any limit.
func (v view) hasLimits() bool {
	for i := range http2Limits {
		if v.has(http2Limits[i].name) {
			return true
		}
	}
	return false
}
