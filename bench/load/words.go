// SPDX-License-Identifier: Apache-2.0

package load

import (
	"strconv"
	"strings"

	"github.com/sideloop/sideloop/bench"
	"github.com/sideloop/sideloop/codec"
)

// Words under which errors are counted, beside the statuses of replies and what
// is wrong about them.
const (
	wordTimeout    = "timeout"
	wordLost       = "connection_lost"
	wordConnect    = "connect_failed"
	wordUnfinished = "unfinished"
	wordUnexpected = "unexpected_reply"
	// wordOther is what comes after maxWords different ones.
	wordOther = "other"
)

const (
	// maxWords bounds what a target that makes up reasons can make us hold.
	maxWords = 64
	// maxWord is longer than any reason of ours.
	maxWord = 40
)

// failureWord is the reason that a proxy states in a reply, else word.
func failureWord(h codec.Head, word string) string {
	reason, ok := h.Get(codec.ReasonHeader)
	if !ok || len(reason) == 0 || len(reason) > maxWord {
		return word
	}
	for _, c := range reason {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return word
		}
	}
	return string(reason)
}

func boltWord(status uint16) string {
	if text, ok := bench.StatusText(status); ok {
		return "bolt_" + strings.ReplaceAll(text, " ", "_")
	}
	return "bolt_status_" + strconv.Itoa(int(status))
}

func httpWord(status int) string { return "http_" + strconv.Itoa(status) }

func grpcWord(status []byte) string {
	if n, err := strconv.ParseUint(string(status), 10, 16); err == nil {
		return "grpc_" + strconv.FormatUint(n, 10)
	}
	return "grpc_bad_status"
}

// resetWord is for a request that ended without a reply.
func resetWord(r codec.Reason) string {
	switch r {
	case codec.UpstreamClosed:
		return wordLost
	case codec.UpstreamReset:
		return "stream_reset"
	case codec.UpstreamRefused:
		return "stream_refused"
	case codec.UpstreamProtocolError:
		return "protocol_error"
	}
	if r == codec.ReasonNone {
		return wordLost
	}
	return r.String()
}
