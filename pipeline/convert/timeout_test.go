// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"testing"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
)

func TestTimeouts(t *testing.T) {
	for _, tt := range []struct{ whole, try string }{
		{"", ""}, {"250", ""}, {"", "30"}, {"250", "30"}, {"-5", "x"}, {"999999999999999999", "0"},
	} {
		var pairs []byte
		for name, value := range map[string]string{globalTimeoutHeader: tt.whole, tryTimeoutHeader: tt.try, "x-mosn-other-timeouts": "7", "": "1"} {
			pairs = bolt.AppendPair(pairs, []byte(name), []byte(value))
		}
		pairs = bolt.AppendPair(pairs, nil, []byte("1"))
		wants := map[string]time.Duration{"250": 250 * time.Millisecond, "30": 30 * time.Millisecond, "999999999999999999": 24 * time.Hour}
		for _, h := range []codec.Head{
			reply(0, "x", "1", globalTimeoutHeader, tt.whole, tryTimeoutHeader, tt.try, "x-mosn-other-timeouts", "7"),
			&bolt.Head{Version: 1, Type: bolt.TypeRequest, Map: bolt.HeaderMap(pairs)},
		} {
			if whole, try := Timeouts(h); whole != wants[tt.whole] || try != wants[tt.try] {
				t.Errorf("%q, %q over %v: %v, %v", tt.whole, tt.try, h.Protocol(), whole, try)
			}
		}
	}
}
