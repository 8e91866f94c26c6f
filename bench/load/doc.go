// SPDX-License-Identifier: Apache-2.0

// Package load is the load generator: it calls an echo service, directly or
// through a proxy, checks every reply and measures latencies.
//
// # Two kinds of load
//
// In a closed loop each connection keeps a number of requests in flight and
// sends the next when a reply has come. In an open loop (Options.Rate) requests
// are due at constant intervals, whatever the target does, and their latency
// counts from when they were due: a target that stalls makes them wait, and the
// wait is in the figures (no coordinated omission). What is due on a connection
// with all its requests in flight waits for one of them to end; what waits
// longer than Options.RequestTimeout fails with "timeout".
//
// # Accounts
//
// Every request due (open loop) or sent (closed loop) in the measured time is
// accounted for: it is one right reply or one error. When the time is over those
// in flight have up to a second to end; what is left then is an error,
// "unfinished". Only requests that were answered right are in the histograms.
//
// # Whose fault
//
// A result is marked invalid when its figures are the generator's: when it used
// more than 80 % of the CPU time of its loops in an open loop, or 95 % in a
// closed one, whose latencies stand for little then and whose rate is the
// generator's; when it noticed more than 20 % of what was due over 1 ms late;
// and when under 99 % of what was due had been sent by the end. A smaller part
// that was noticed late takes only as many percentiles with it
// (result.Result.Tells).
//
// # Loops
//
// A run has loops of its own, each with its share of the connections, histograms
// and counters. Five times a second a loop hands its figures to the goroutine
// that called Run and goes on with an empty set. In an open loop the
// loop's exact timer wakes it when the next request is due, and replies that come
// before do so too.
package load
