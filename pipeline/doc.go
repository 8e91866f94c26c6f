// SPDX-License-Identifier: Apache-2.0

// Package pipeline is what happens between a downstream connection and an
// upstream stream: the listener's filter chain picks the protocol and the
// router, and an exchange carries one request and its reply, with its deadline,
// its retries and its one Reason.
//
// Everything but Chain and Snapshot belongs to a Worker, and a Worker to one
// loop. The package parses no bytes: it binds sessions made by the constructors
// in a Chain to connections, and sessions call it back.
package pipeline
