// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"github.com/sideloop/sideloop/cluster"
	"github.com/sideloop/sideloop/codec"
)

// judge notes what a head or trailers of the reply that the client gets say of
// its host.
func (e *exchange) judge(h codec.Head) { e.request.Answered(judgedByReply(h, e.asked.GRPC)) }

// judgedByReply is what the head or the trailers of a reply say of the host that
// sent it. gRPC has its status in the one or the other.
func judgedByReply(h codec.Head, grpc bool) cluster.Outcome {
	if grpc {
		if status, ok := h.Get("grpc-status"); ok {
			return judgedByGRPC(status)
		}
	}
	return judgedByStatus(h.HTTPStatus())
}

// judgedByGRPC: UNIMPLEMENTED and what else the caller did wrong is not the
// host's fault.
func judgedByGRPC(status []byte) cluster.Outcome {
	switch string(status) {
	case "4", "14": // DEADLINE_EXCEEDED, UNAVAILABLE
		return cluster.GatewayError
	case "2", "13", "15": // UNKNOWN, INTERNAL, DATA_LOSS
		return cluster.ServerError
	}
	return cluster.Succeeded
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
	case codec.ConnectFailed, codec.ConnectTimeout, codec.UpstreamTLSFailed:
		return cluster.ConnectFailure
	case codec.UpstreamTimeout, codec.UpstreamUnresponsive:
		return cluster.TimedOut
	case codec.UpstreamReset, codec.UpstreamClosed, codec.UpstreamRefused, codec.UpstreamProtocolError:
		return cluster.Broken
	}
	return cluster.Unjudged
}
