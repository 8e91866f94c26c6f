// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Speaks is what a service understands.
type Speaks uint8

const (
	// SpeaksBolt is Bolt, versions 1 and 2.
	SpeaksBolt Speaks = iota
	// SpeaksHTTP2 is HTTP/2 with prior knowledge, and gRPC over it.
	SpeaksHTTP2
	// SpeaksAll tells them apart by the first byte of a connection.
	SpeaksAll
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Speaks) UnmarshalText(b []byte) error {
	switch string(b) {
	case "bolt":
		*s = SpeaksBolt
	case "http2", "grpc":
		*s = SpeaksHTTP2
	case "all":
		*s = SpeaksAll
	default:
		return fmt.Errorf("protocol %q is not one of bolt, http2, grpc, all", b)
	}
	return nil
}

// String is the protocols' names for people.
func (s Speaks) String() string {
	return [...]string{SpeaksBolt: "Bolt", SpeaksHTTP2: "HTTP/2 and gRPC", SpeaksAll: "Bolt, HTTP/2 and gRPC"}[s]
}

// Service says how a service replies. The zero value echoes Bolt at once.
type Service struct {
	Speaks Speaks
	// Delay is how long a reply is held back.
	Delay time.Duration
	// ErrorRate is the share of requests that fail, evenly spread: status 2
	// of Bolt (server exception), 500 of HTTP, 13 of gRPC (internal).
	ErrorRate float64
	// Body, unless 0, is the size of every reply, whose content is a
	// beginning of Content; the requests' content is read and dropped.
	Body int
	// Stall makes the service pause now and then.
	Stall Stall
	// TLS encrypts all connections; nil is plain text.
	TLS *tls.Config
}

// Stall is a pause of all replies, For long each time that Every has passed. The
// zero value is none.
type Stall struct{ Every, For time.Duration }

// UnmarshalText implements encoding.TextUnmarshaler for EVERY=10s,FOR=100ms.
func (s *Stall) UnmarshalText(b []byte) error {
	got := make(map[string]time.Duration)
	for part := range strings.SplitSeq(string(b), ",") {
		name, value, _ := strings.Cut(part, "=")
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 {
			return fmt.Errorf("the stall %q is not like EVERY=10s,FOR=100ms", b)
		}
		got[strings.ToUpper(strings.TrimSpace(name))] = d
	}
	*s = Stall{Every: got["EVERY"], For: got["FOR"]}
	if len(got) != 2 || s.Every == 0 || s.For == 0 {
		return fmt.Errorf("the stall %q is not like EVERY=10s,FOR=100ms", b)
	}
	return nil
}

// left is what is left of a pause, when the service has run for so long.
func (s Stall) left(running time.Duration) time.Duration {
	if s.Every <= 0 || running < s.Every {
		return 0
	}
	return max(s.For-running%s.Every, 0)
}

// maxReplyBody bounds the content of replies, which is held once.
const maxReplyBody = 1 << 30

func (s *Service) check() error {
	switch {
	case s.Speaks > SpeaksAll:
		return errors.New("the service's protocol is unknown")
	case s.Delay < 0 || s.Stall.Every < 0 || s.Stall.For < 0:
		return errors.New("delays cannot be negative")
	case s.Stall.For > 0 && s.Stall.For >= s.Stall.Every:
		return fmt.Errorf("a stall of %v each %v never ends", s.Stall.For, s.Stall.Every)
	case !(s.ErrorRate >= 0 && s.ErrorRate <= 1):
		return fmt.Errorf("the error rate %v is not between 0 and 1", s.ErrorRate)
	case s.Body < 0 || s.Body > maxReplyBody:
		return fmt.Errorf("the body of replies is not between 0 and %d bytes", maxReplyBody)
	}
	return nil
}
