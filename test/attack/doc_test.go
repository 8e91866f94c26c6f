// SPDX-License-Identifier: Apache-2.0

// Package attack holds the proxy against the families of abuse of HTTP/2. Each
// test is named after the row of docs/HTTP2_LIMITS.md that it holds: it sends
// the abuse over a real socket while a client that behaves goes on, and wants
// the stated answer, the stated counter, memory that stays within bounds and
// everything released at the end.
package attack
