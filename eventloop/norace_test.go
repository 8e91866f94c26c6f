// SPDX-License-Identifier: Apache-2.0

//go:build !race

package eventloop

// allocsAllowed is per request.
const allocsAllowed = 0.02
