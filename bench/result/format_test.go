// SPDX-License-Identifier: Apache-2.0

package result

import "testing"

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		unit  Unit
		value float64
		want  string
	}{
		{Latency, 0, "0 ns"}, {Latency, 100, "100 ns"}, {Latency, 999.4, "999 ns"}, {Latency, 999.6, "1.00 µs"},
		{Latency, 1234, "1.23 µs"}, {Latency, 99_950, "100 µs"}, {Latency, 999_499, "999 µs"}, {Latency, 999_500, "1.00 ms"},
		{Latency, 12_345_678, "12.3 ms"}, {Latency, 999_600_000, "1.00 s"}, {Latency, 600e9, "600 s"}, {Latency, -1500, "-1.50 µs"},
		{PerSecond, 0, "0/s"}, {PerSecond, 0.5, "0.500/s"}, {PerSecond, 12.34, "12.3/s"}, {PerSecond, 1234567, "1,234,567/s"},
		{Number, 999, "999"}, {Number, 1000, "1,000"}, {Number, 100.4, "100"}, {Number, 3, "3"}, {Number, -1234, "-1,234"}, {Number, 9.996, "10.0"},
		{CPU, 2.345, "2.35 µs"}, {CPU, 1500, "1.50 ms"}, {CPU, 0.5, "500 ns"},
		{Share, 0.5, "50.0 %"}, {Share, 1, "100 %"}, {Share, 0.0000012, "0.00012 %"}, {Share, 0, "0 %"},
		{Bytes, 999, "999 B"}, {Bytes, 1024, "1.00 KiB"}, {Bytes, 12 << 20, "12.0 MiB"}, {Bytes, 8 << 30, "8.00 GiB"}, {Bytes, 5 << 50, "5120 TiB"},
	} {
		if got := c.unit.Format(c.value); got != c.want {
			t.Errorf("%v of unit %d is %q, want %q", c.value, c.unit, got, c.want)
		}
	}
}
