// SPDX-License-Identifier: Apache-2.0

// Package tracing makes a span of each request that is sampled and sends it to a
// collector by OTLP.
//
// On the loops: the filter [Name] reads how a request stands in a trace, decides,
// and says which headers the host is to get; an observer writes the span, once the
// request has ended, into the loop's batch, already in the form of OTLP. A full
// batch, or one that has waited long enough, goes through a bounded queue to the
// Exporter's goroutine. A loop never waits: what the queue does not take is
// dropped and counted.
//
// The Exporter outlives changes of the configuration, which only give it another
// target; connections that began under the old one end under it.
package tracing
