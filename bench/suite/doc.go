// SPDX-License-Identifier: Apache-2.0

// Package suite measures proxies side by side on one machine. Every figure is
// the median of rounds in which the proxies take turns, each started anew, with
// one worker, on a CPU of its own; load generator and echo service are separate
// processes on the other CPUs. Nothing that was asked for is left out silently:
// a proxy without a figure has the reason in its place.
package suite
