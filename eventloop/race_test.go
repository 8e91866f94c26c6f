// SPDX-License-Identifier: Apache-2.0

//go:build race

package eventloop

// allocsAllowed is per request. The race detector makes sync.Pool forget
// entries at random.
const allocsAllowed = 0.5
