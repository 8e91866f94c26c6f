// SPDX-License-Identifier: Apache-2.0

// Package http2 is HTTP/2 (RFC 9113) as a sans-I/O session in the server role
// and in the client role.
//
// # Layers
//
// A file holds one frame or one concept. frame.go turns nine bytes into a
// frameHead and back. conn.go owns the input and hands each payload to the
// reader of its frame type. stream.go has the life cycle as one enum whose
// transitions are pure. server.go and client.go are what the roles do
// differently.
//
// # Bytes
//
// DATA payload is delivered as it arrives, from the bytes given to Feed. Only
// header blocks and small control frames are gathered, in a pooled buffer that
// is charged to codec.Gather. Body bytes that the peer's windows or the sink
// do not take are held in pooled buffers charged to codec.Hold. An idle session
// holds neither.
//
// # Errors
//
// A stream error resets the stream and tells its receiver. A connection error
// sends GOAWAY, asks the owner to Shut and ignores all further input; the
// receivers are told by Close. Each anomaly is given a constant word through
// Owner.Glitch.
package http2
