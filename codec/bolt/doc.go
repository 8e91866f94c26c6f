// SPDX-License-Identifier: Apache-2.0

// Package bolt speaks SOFABolt, versions 1 and 2 mixed on one connection, as a
// [Server] toward clients and as a [Client] toward upstream hosts.
//
// # Frames
//
// A frame is a fixed part, a class name, a header map and a content, whose
// lengths all stand in the fixed part; version 2 may add a CRC32. Frames cannot
// be interleaved: once begun, a frame holds the connection until its last byte.
//
// Frames of up to Limits.WholeFrame bytes are delivered in one OnHeaders with
// their content and are checked (lengths, header map, CRC) before anything is
// delivered. Larger ones are delivered head first and their content as it
// arrives; it is never gathered.
//
// # What the peer gets wrong
//
// Where the framing is intact (a header map whose lengths lie, a wrong CRC) one
// request or reply fails and the connection lives. Where it cannot be trusted
// the connection is shut, after an answer with status 9 if the request's id was
// readable.
package bolt
