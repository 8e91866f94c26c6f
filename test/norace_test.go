// SPDX-License-Identifier: Apache-2.0

//go:build !race

package test

// bulkSize is the body of the bulk tests.
const bulkSize = 100 << 20

// slowRouteCount routes cost a request a millisecond or two.
const slowRouteCount = 20
