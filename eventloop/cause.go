// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// Cause is why a connection ended. The set is closed.
type Cause uint8

const (
	// CauseNone is the zero value: the connection has not ended.
	CauseNone Cause = iota
	// CauseLocal follows Close: everything appended was taken by the kernel.
	CauseLocal
	// CauseAborted follows Abort.
	CauseAborted
	// CausePeerClosed follows Close on a connection whose peer had finished
	// sending before.
	CausePeerClosed
	// CausePeerReset is a connection that the peer tore down.
	CausePeerReset
	// CauseFailed is any other error of the kernel, such as a keepalive that
	// went unanswered; Conn.Err has it.
	CauseFailed
	// CauseStalled follows Close: the peer did not take what was left to send
	// within DrainTimeout.
	CauseStalled
	// CauseExhausted is a process out of file descriptors or kernel memory.
	CauseExhausted
	// CauseTLS is a peer that broke TLS, or that refused ours after its part of
	// the handshake was done; Conn.Err has it.
	CauseTLS
	// CausePanic is a callback of this connection that panicked.
	CausePanic
	// CauseStopped is a reactor that was stopped.
	CauseStopped
	// CauseMoved is a connection that lives on in another process.
	CauseMoved
	causeCount
)

var causeWords = [causeCount]string{
	CauseNone:       "open",
	CauseLocal:      "closed_locally",
	CauseAborted:    "aborted",
	CausePeerClosed: "peer_closed",
	CausePeerReset:  "peer_reset",
	CauseFailed:     "io_error",
	CauseStalled:    "stalled",
	CauseExhausted:  "exhausted",
	CauseTLS:        "tls_error",
	CausePanic:      "panic",
	CauseStopped:    "stopped",
	CauseMoved:      "moved",
}

// String is the cause's word in logs and metrics.
func (c Cause) String() string {
	if c >= causeCount {
		return "unknown"
	}
	return causeWords[c]
}

// causeOf maps an error of a socket call to a cause.
func causeOf(err error) Cause {
	switch {
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE), errors.Is(err, io.EOF):
		return CausePeerReset
	case outOfResources(err):
		return CauseExhausted
	}
	return CauseFailed
}

// outOfResources tells errors that pass when something else is closed from
// errors that concern one socket.
func outOfResources(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) ||
		errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.ENOBUFS) ||
		errors.Is(err, unix.ENOSPC)
}
