// SPDX-License-Identifier: Apache-2.0

// Package server assembles the proxy: it turns a Config into a Snapshot and
// filter chains, starts the loops with a worker each, binds the listeners, and
// stops all of it in order. It never touches a request.
package server
