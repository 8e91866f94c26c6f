// SPDX-License-Identifier: Apache-2.0

package health

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/sideloop/sideloop/codec/http2"
	"github.com/sideloop/sideloop/config"
)

// session is a connection to a host that can be asked how it is.
type session interface {
	// ask is one question and its answer, within the connection's deadline. An
	// answer that is not that of a healthy host is a wrongAnswer. keep tells
	// that the connection can be asked again.
	ask() (keep bool, err error)
	setDeadline(t time.Time)
	close()
}

// asker makes the probes of one health check.
type asker struct {
	check  *config.HealthCheck
	limits *http2.Limits
	secure func(Host, string) *tls.Config // nil in plain text
	epoch  time.Time                      // sessions' time counts from here
}

func newAsker(c *config.HealthCheck, l *config.HTTP2Limits) *asker {
	if c == nil {
		return nil
	}
	return &asker{check: c, limits: (*http2.Limits)(l), epoch: time.Now()}
}

// encrypt does the TLS handshake with a host that is to be spoken to so.
func (a *asker) encrypt(ctx context.Context, c net.Conn, h Host) (net.Conn, error) {
	if a.secure == nil || h.Plain {
		return c, nil
	}
	protocol := ""
	switch a.check.Protocol {
	case config.HealthHTTP1:
		protocol = "http/1.1"
	case config.HealthHTTP2, config.HealthHTTP2Connect, config.HealthGRPC:
		protocol = "h2"
	}
	encrypted := tls.Client(c, a.secure(h, protocol))
	if err := encrypted.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return encrypted, nil
}

// ask asks a host, on the session of the last probe if there is one. The
// session that it returns, if any, is for the next probe.
func (a *asker) ask(ctx context.Context, d *net.Dialer, h Host, s session) (session, error) {
	if s != nil {
		kept, err := a.askOn(ctx, s)
		if failure, _ := describe(err); failure != Network {
			return kept, err
		}
		// A host may close an idle connection; that says nothing of its health.
	}
	conn, err := d.DialContext(ctx, h.Network, a.address(h))
	if err == nil {
		conn, err = a.encrypt(ctx, conn, h)
	}
	if err != nil {
		return nil, err
	}
	return a.askOn(ctx, a.open(conn, h))
}

// askOn asks on s, which it closes unless it is returned.
func (a *asker) askOn(ctx context.Context, s session) (session, error) {
	deadline, _ := ctx.Deadline()
	s.setDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { s.setDeadline(time.Unix(1, 0)) })
	keep, err := s.ask()
	if stop() && keep && a.check.Reuse {
		s.setDeadline(time.Time{})
		return s, err
	}
	s.close()
	return nil, err
}

// address is where probes of h go.
func (a *asker) address(h Host) string {
	address, port := h.dialAddress(), a.check.Request.Port
	if port == 0 || h.Network == "unix" {
		return address
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// unixAuthority stands for a Unix socket, whose path is no host name.
const unixAuthority = "localhost"

// open makes the session of a new connection.
func (a *asker) open(c net.Conn, h Host) session {
	authority := a.check.Request.Authority
	switch {
	case authority != "":
	case h.Network == "unix":
		authority = unixAuthority
	default:
		authority = h.Address
	}
	switch a.check.Protocol {
	case config.HealthHTTP1:
		return &http1Session{connection{c}, a, authority}
	case config.HealthHTTP2, config.HealthHTTP2Connect, config.HealthGRPC:
		return newHTTP2Session(c, a, authority)
	case config.HealthBolt, config.HealthBoltV2:
		return &boltSession{connection: connection{c}, v2: a.check.Protocol == config.HealthBoltV2}
	}
	return tcpSession{connection{c}}
}

// connection is what all sessions have.
type connection struct{ net.Conn }

func (c connection) setDeadline(t time.Time) { _ = c.SetDeadline(t) }
func (c connection) close()                  { _ = c.Close() }

// tcpSession has its answer by being there.
type tcpSession struct{ connection }

func (tcpSession) ask() (bool, error) { return false, nil }

// accepts tells whether a status is that of a healthy host.
func (a *asker) accepts(status int) error {
	for _, r := range a.check.Request.Codes {
		if status >= r.First && status <= r.Last {
			return nil
		}
	}
	return wrongAnswer(fmt.Sprintf("status %d", status))
}

// wrongAnswer is an answer that is not that of a healthy host.
type wrongAnswer string

func (w wrongAnswer) Error() string { return string(w) }

// FailureType is how a probe failed, in Envoy's terms; empty for a good one.
type FailureType string

const (
	// Active is a wrong answer, Network no connection or a lost one, and
	// NetworkTimeout no answer in time.
	Active         FailureType = "ACTIVE"
	Network        FailureType = "NETWORK"
	NetworkTimeout FailureType = "NETWORK_TIMEOUT"
)

// reasonLimit bounds the text of a failure, which is kept for every host.
const reasonLimit = 128

// describe says how a probe failed and why.
func describe(err error) (FailureType, string) {
	var wrong wrongAnswer
	var network net.Error
	switch {
	case err == nil:
		return "", ""
	case errors.As(err, &wrong):
		return Active, string(wrong[:min(len(wrong), reasonLimit)])
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return NetworkTimeout, "no answer in time"
	}
	text := err.Error()
	return Network, text[:min(len(text), reasonLimit)]
}
