// SPDX-License-Identifier: Apache-2.0

package codec

// Parcel is one whole request that goes from a server session straight to a
// client session of the same protocol, and its whole reply back: the lane of
// requests that nobody has anything to do to. It takes the place of a stream on
// either session. Whoever carries it embeds it.
//
// Anything but a whole reply unfolds a parcel: each session makes the stream of
// it that it would have made in the first place, and what happened happens to
// the streams.
type Parcel struct {
	Carrier Carrier
	// Down and Up are for the server session and the client session to note
	// what they know the request by.
	Down, Up uint64
	// Prev and Next link the parcels of one server session.
	Prev, Next *Parcel
}

// Carrier is told what becomes of its parcel. It is called as a Receiver is.
type Carrier interface {
	// OnReply hands over the reply, which came in one piece. The client session
	// has forgotten the parcel.
	OnReply(h Head, body []byte)
	// Unfold has the carrier call Unfold of both sessions, or of the server
	// session alone once the reply has come.
	Unfold()
}

// ParcelAcceptor is an Acceptor that takes parcels.
type ParcelAcceptor interface {
	Acceptor
	// OnWhole offers a request that came in one piece and wants a reply. The
	// parcel that it returns has been sent. If it returns nil, nothing has
	// happened yet, and OnRequest follows at once for the same request.
	OnWhole(h Head, body []byte) *Parcel
}

// ParcelServer is a ServerSession that offers parcels to a ParcelAcceptor.
type ParcelServer interface {
	ServerSession
	// Answer sends the reply of p, with which p is over. It is false, and
	// nothing has happened, where a stream would not send it either.
	Answer(p *Parcel, h Head, body []byte) bool
	// Unfold makes a stream of p, whose request was received to its end.
	Unfold(p *Parcel, r Receiver) Stream
}

// ParcelClient is a ClientSession that takes parcels.
type ParcelClient interface {
	ClientSession
	// Send takes p, whose head came off the wire, as Open and SendHeaders do a
	// request. Capacity must not be 0.
	Send(p *Parcel, h Head, body []byte)
	// Unfold makes a stream of p, whose request was sent to its end.
	Unfold(p *Parcel, r Receiver) Stream
}
