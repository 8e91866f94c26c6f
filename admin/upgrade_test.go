// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
)

// The kernel's table has addresses in the machine's order; this one was read on a
// little-endian machine.
func TestOwnerOfASocket(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Log("the table is of another machine")
		return
	}
	table := `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:8855 00000000:0000 0A 00000000:00000000 00:00000000 00000000     7        0 1
   1: 0100007F:C350 0100007F:8855 01 00000000:00000000 00:00000000 00000000  1000        0 2
   2: 0100007F:8855 0100007F:C350 01 00000000:00000000 00:00000000 00000000     7        0 3
   3: 0000000000000000FFFF00000100007F:C351 0000000000000000FFFF00000100007F:8855 01 0:0 0:0 0 55 0 4
   4: nonsense
`
	for _, c := range []struct {
		client string
		uid    int
		found  bool
	}{
		{"127.0.0.1:50000", 1000, true},
		{"127.0.0.1:50001", 55, true},
		{"[::ffff:127.0.0.1]:50001", 55, true},
		{"127.0.0.1:50002", 0, false},
		{"10.0.0.1:50000", 0, false},
	} {
		uid, found := ownerOf(strings.NewReader(table), netip.MustParseAddrPort(c.client), netip.MustParseAddrPort("127.0.0.1:34901"))
		if uid != c.uid || found != c.found {
			t.Errorf("%s: %d, %v", c.client, uid, found)
		}
	}
}
