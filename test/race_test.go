// SPDX-License-Identifier: Apache-2.0

//go:build race

package test

// bulkSize is the body of the bulk tests. The race detector makes both ends ten
// times slower.
const bulkSize = 10 << 20

// slowRouteCount routes cost about as much to look at as a multiple of them does
// without the race detector.
const slowRouteCount = 1
