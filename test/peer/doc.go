// SPDX-License-Identifier: Apache-2.0

// Package peer is HTTP/2 clients and hosts for tests, which send and read frame
// by frame what no library would. It shares no code with the proxy.
package peer
