// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
)

// judgedByReply is what the head of a reply says of the host that sent it.
func judgedByReply(h codec.Head) cluster.Outcome {
	return judgedByStatus(h.HTTPStatus())
}

func judgedByStatus(status int) cluster.Outcome {
	switch {
	case status >= 502 && status <= 504:
		return cluster.GatewayError
	case status >= 500:
		return cluster.ServerError
	}
	return cluster.Succeeded
}

// judgedByReason is what the end of a try says of its host.
func judgedByReason(r codec.Reason) cluster.Outcome {
	switch r {
	case codec.ConnectFailed, codec.ConnectTimeout:
		return cluster.ConnectFailure
	case codec.UpstreamTimeout, codec.UpstreamUnresponsive:
		return cluster.TimedOut
	case codec.UpstreamReset, codec.UpstreamClosed, codec.UpstreamRefused, codec.UpstreamProtocolError:
		return cluster.Broken
	}
	return cluster.Unjudged
}
