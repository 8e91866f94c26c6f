// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"fmt"
	"testing"
)

func BenchmarkChoose(b *testing.B) {
	for name, p := range map[string]Policy{"Random": Random{}, "RoundRobin": NewRoundRobin()} {
		for _, n := range []int{1, 10, 1000} {
			usable := make(hosts, n)
			for i := range usable {
				usable[i] = i%2 == 0
			}
			var v View = usable
			b.Run(fmt.Sprintf("%s/hosts=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if p.Choose(v) < 0 {
						b.Fatal("no host")
					}
				}
			})
		}
	}
}
