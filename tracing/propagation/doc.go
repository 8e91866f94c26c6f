// SPDX-License-Identifier: Apache-2.0

// Package propagation reads how a request stands in a trace from its headers, and
// writes how it goes on: W3C Trace Context (traceparent, tracestate), B3 (one
// header or several) and SOFATracer's keys of Bolt.
//
// What does not parse counts as not there. Nothing is allocated.
package propagation
