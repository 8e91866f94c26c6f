// SPDX-License-Identifier: Apache-2.0

package accesslog

import "strconv"

// twoDigits are the numbers below 100 in a row.
var twoDigits = func() (digits [200]byte) {
	for i := range 100 {
		digits[2*i], digits[2*i+1] = byte('0'+i/10), byte('0'+i%10)
	}
	return digits
}()

// appendUint appends n; most numbers of a line are short.
func appendUint(dst []byte, n uint64) []byte {
	switch {
	case n < 10:
		return append(dst, byte('0'+n))
	case n < 100:
		return append(dst, twoDigits[2*n], twoDigits[2*n+1])
	case n < 1000:
		low := n % 100
		return append(dst, byte('0'+n/100), twoDigits[2*low], twoDigits[2*low+1])
	case n < 10000:
		high, low := n/100, n%100
		return append(dst, twoDigits[2*high], twoDigits[2*high+1], twoDigits[2*low], twoDigits[2*low+1])
	}
	return strconv.AppendUint(dst, n, 10)
}

func appendInt(dst []byte, n int64) []byte {
	if n < 0 {
		return strconv.AppendInt(dst, n, 10)
	}
	return appendUint(dst, uint64(n))
}

func appendPositive(dst []byte, n uint64) []byte {
	if n == 0 {
		return dst
	}
	return appendUint(dst, n)
}

// appendThousandths appends n/1000, without zeros at the end.
func appendThousandths(dst []byte, n uint64) []byte {
	dst = appendUint(dst, n/1000)
	rest := n % 1000
	high, low := rest/10, rest%10
	switch {
	case low != 0:
		return append(dst, '.', twoDigits[2*high], twoDigits[2*high+1], byte('0'+low))
	case high%10 != 0:
		return append(dst, '.', twoDigits[2*high], twoDigits[2*high+1])
	case high != 0:
		return append(dst, '.', twoDigits[2*high])
	}
	return dst
}
