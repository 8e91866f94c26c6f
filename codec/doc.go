// SPDX-License-Identifier: Apache-2.0

// Package codec is what every protocol is to the rest of the proxy: heads,
// sessions, streams, events and reasons. It does no I/O, reads no clock and
// imports nothing of ours.
//
// One connection is one [Session], in the server role (downstream) or the
// client role (upstream). A session turns bytes into events on a [Receiver]
// and calls on a [Stream] into bytes on a [Sink].
//
// # Who calls whom
//
// Everything happens on the loop that owns the connection.
//
//   - Receiver callbacks come only out of Session.Feed, Session.Writable,
//     Session.PeerClosed, Session.Tick, Session.Close and Holder.Evict. A
//     method of Stream never calls a Receiver, neither its own nor another's.
//   - A Stream method only appends to the Sink, updates state and, at most,
//     tells the Owner something. The Owner must not call back into the session
//     from within such a notice; it notes it and acts after the running
//     callback has returned.
//
// So nothing is re-entrant: a Receiver may freely call Streams of other
// sessions, and of its own, from within a callback.
//
// # Life of a stream
//
// A Stream may be used until the first of: its Receiver got OnReset; Reset was
// called; both directions have ended (the Receiver saw the end of what is
// received and a Send call carried the end of what is sent). After that the
// session may reuse the object for another stream, so the holder drops it.
//
// A one-way request has no reply. Its client stream is over when it was sent; the
// holder of its server stream ends it by Reset when it is done with it, and
// until then it counts as in progress.
//
// # Parcels
//
// A session may know a whole request and its whole reply as a [Parcel] instead,
// which is no stream and has no Receiver. Its Carrier is called as Receivers are,
// and the sessions' methods that take one are bound as a Stream's are.
//
// # Bytes
//
// Byte slices and heads passed to a Receiver are valid until the callback
// returns. Byte slices and heads passed to a Stream are read before the call
// returns and not kept.
package codec
