// SPDX-License-Identifier: Apache-2.0

package result

import (
	"math"
	"strconv"
	"strings"
)

// Format writes a value with three significant digits and its unit, as people
// read it: 1.25 ms, 12,300/s, 3.40 µs, 0.12 %, 12.5 MiB.
func (u Unit) Format(v float64) string {
	switch u {
	case Latency:
		return nanoseconds(v)
	case PerSecond:
		return number(v) + "/s"
	case CPU:
		return nanoseconds(v * 1000)
	case Share:
		return significant(v*100) + " %"
	case Bytes:
		return size(v)
	default:
		return number(v)
	}
}

func nanoseconds(v float64) string {
	// The limits are where three digits round up into the next unit.
	switch a := math.Abs(v); {
	case a < 999.5:
		return significant(v) + " ns"
	case a < 999.5e3:
		return significant(v/1e3) + " µs"
	case a < 999.5e6:
		return significant(v/1e6) + " ms"
	default:
		return significant(v/1e9) + " s"
	}
}

func size(v float64) string {
	unit := " B"
	for _, next := range []string{" KiB", " MiB", " GiB", " TiB"} {
		if math.Abs(v) < 1000 {
			break
		}
		v, unit = v/1024, next
	}
	return significant(v) + unit
}

// number is a count with its thousands separated; small ones keep a fraction.
func number(v float64) string {
	if math.Abs(v) < 100 && v != math.Trunc(v) {
		return significant(v)
	}
	digits := strconv.FormatFloat(math.Abs(v), 'f', 0, 64)
	var b strings.Builder
	if v < 0 && digits != "0" {
		b.WriteByte('-')
	}
	for i, d := range []byte(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(d)
	}
	return b.String()
}

// significant has three significant digits and no exponent.
func significant(v float64) string {
	a := math.Abs(v)
	switch {
	case a == 0:
		return "0"
	case a < 0.001:
		return strconv.FormatFloat(v, 'g', 2, 64)
	case a < 0.9995:
		return strconv.FormatFloat(v, 'f', 3, 64)
	case a < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
}
