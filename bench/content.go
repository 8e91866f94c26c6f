// SPDX-License-Identifier: Apache-2.0

package bench

import "math/rand/v2"

// Content is n bytes that look random, the same each time, of which a shorter
// one is a beginning.
func Content(n int) []byte {
	b := make([]byte, n)
	// A seed of its own, so that no other source of bytes resembles it.
	_, _ = rand.NewChaCha8([32]byte([]byte("content of requests and replies."))).Read(b)
	return b
}
