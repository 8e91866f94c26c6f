// SPDX-License-Identifier: Apache-2.0

// Package admin is the HTTP server that the process is operated from: probes,
// what is going on, metrics, changes. It sees the proxy only through
// server.Control, and so costs a loop one task a second at most.
//
// GET looks, POST changes. There is no authentication, so the address should be
// the loopback's; what a browser may be led to send from another site is refused.
// Secrets are never shown.
package admin
