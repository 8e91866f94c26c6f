// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// HandshakeOutcome is how a TLS handshake ended. The set is closed.
type HandshakeOutcome uint8

const (
	// HandshakeDone is success.
	HandshakeDone HandshakeOutcome = iota
	// HandshakePlaintext is a peer that does not speak TLS.
	HandshakePlaintext
	// HandshakeTimedOut is a peer that took too long.
	HandshakeTimedOut
	// HandshakeAbandoned is a peer that left.
	HandshakeAbandoned
	// HandshakeEvicted gave its place to a newer one.
	HandshakeEvicted
	// HandshakeNoCertificate is a client without the certificate that it needs.
	HandshakeNoCertificate
	// HandshakeBadCertificate is a peer whose certificate does not hold: of
	// another authority, of another name, expired.
	HandshakeBadCertificate
	// HandshakeRejected is a peer that refused us, by an alert.
	HandshakeRejected
	// HandshakeMismatch is a peer with which no version, cipher suite or
	// protocol is in common.
	HandshakeMismatch
	// HandshakeBroken is a peer that broke the protocol.
	HandshakeBroken
	handshakeOutcomeCount
)

var handshakeWords = [handshakeOutcomeCount]string{
	HandshakeDone:           "tls_handshake_done",
	HandshakePlaintext:      "tls_plaintext",
	HandshakeTimedOut:       "tls_handshake_timeout",
	HandshakeAbandoned:      "tls_handshake_abandoned",
	HandshakeEvicted:        "tls_handshake_evicted",
	HandshakeNoCertificate:  "tls_no_certificate",
	HandshakeBadCertificate: "tls_bad_certificate",
	HandshakeRejected:       "tls_rejected_by_peer",
	HandshakeMismatch:       "tls_nothing_in_common",
	HandshakeBroken:         "tls_protocol_error",
}

// String is the outcome's word in logs and metrics.
func (o HandshakeOutcome) String() string {
	if o >= handshakeOutcomeCount {
		return "unknown"
	}
	return handshakeWords[o]
}

// HandshakeOutcomes are the outcomes in order.
func HandshakeOutcomes() []HandshakeOutcome {
	all := make([]HandshakeOutcome, handshakeOutcomeCount)
	for i := range all {
		all[i] = HandshakeOutcome(i)
	}
	return all
}

// Handshakes counts the handshakes of accepted connections that ended in a way.
// Any goroutine may call it.
func (r *Reactor) Handshakes(o HandshakeOutcome) uint64 {
	return r.handshakes.outcomes[o].Load()
}

// ErrPeerName is what a verification of package tls fails with when a
// certificate is valid, but not one of those that are wanted.
var ErrPeerName = errors.New("the certificate has none of the names that are asked for")

// handshakeOutcome classifies the error of a handshake. Package tls says some
// things only in words.
func handshakeOutcome(err error) HandshakeOutcome {
	var header tls.RecordHeaderError
	var op *net.OpError
	switch {
	case errors.Is(err, errEvicted):
		return HandshakeEvicted
	case errors.Is(err, errPlaintext), errors.As(err, &header):
		return HandshakePlaintext
	case errors.Is(err, os.ErrDeadlineExceeded):
		return HandshakeTimedOut
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return HandshakeAbandoned
	case isVerification(err):
		return HandshakeBadCertificate
	case errors.As(err, &op) && op.Op == "remote error":
		return HandshakeRejected
	}
	return outcomeOfText(err.Error())
}

func isVerification(err error) bool {
	var failed *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.Is(err, ErrPeerName) || errors.As(err, &failed) ||
		errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid)
}

func outcomeOfText(text string) HandshakeOutcome {
	switch {
	case strings.Contains(text, "didn't provide a certificate"):
		return HandshakeNoCertificate
	case strings.Contains(text, "no cipher suite supported"), strings.Contains(text, "unsupported versions"),
		strings.Contains(text, "unsupported application protocols"), strings.Contains(text, "unsupported protocol version"),
		strings.Contains(text, "no key exchanges supported"), strings.Contains(text, "no supported elliptic curves"):
		return HandshakeMismatch
	}
	return HandshakeBroken
}
