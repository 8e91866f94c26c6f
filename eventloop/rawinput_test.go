// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"testing"
)

// TestTLSWithoutRawInput: a package tls without that buffer is served, too.
func TestTLSWithoutRawInput(t *testing.T) {
	at := rawInputAt
	rawInputAt = -1
	t.Cleanup(func() { rawInputAt = at }) // after the reactors of the others have stopped
	for name, test := range map[string]func(*testing.T){"echo": TestTLSEcho, "broken records": TestTLSBrokenRecords, "close": TestTLSClose} {
		t.Run(name, test)
	}
}
