// SPDX-License-Identifier: Apache-2.0

package accesslog

import (
	"strconv"
	"time"
)

// clock writes moments. The text of the last second is kept, since most lines of
// a loop are of the same one.
type clock struct {
	local, utc stamp
}

// stamp is a moment to the second.
type stamp struct {
	second int64
	text   []byte
}

const (
	localLayout = "2006/01/02 15:04:05"
	utcLayout   = "2006-01-02T15:04:05"
)

// appendLocal appends a moment, in nanoseconds since 1970, in local time.
func (c *clock) appendLocal(dst []byte, at int64) []byte {
	if second := at / int64(time.Second); second != c.local.second {
		c.local = stamp{second, time.Unix(second, 0).AppendFormat(c.local.text[:0], localLayout)}
	}
	return appendMillis(append(dst, c.local.text...), at)
}

// appendUTC appends it by RFC 3339.
func (c *clock) appendUTC(dst []byte, at int64) []byte {
	if second := at / int64(time.Second); second != c.utc.second {
		c.utc = stamp{second, time.Unix(second, 0).UTC().AppendFormat(c.utc.text[:0], utcLayout)}
	}
	return append(appendMillis(append(dst, c.utc.text...), at), 'Z')
}

func appendMillis(dst []byte, at int64) []byte {
	ms := at / int64(time.Millisecond) % 1000
	return append(dst, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

// appendDuration appends d in the unit that suits it, as in "1.25ms", to three
// places.
func appendDuration(dst []byte, d int64) []byte {
	switch {
	case d < int64(time.Microsecond):
		return append(strconv.AppendInt(dst, d, 10), "ns"...)
	case d < int64(time.Millisecond):
		return append(appendThousandths(dst, d), "µs"...)
	case d < int64(time.Second):
		return append(appendThousandths(dst, d/1e3), "ms"...)
	}
	return append(appendThousandths(dst, d/1e6), 's')
}

// appendMS appends d in milliseconds, down to the microsecond.
func appendMS(dst []byte, d int64) []byte { return appendThousandths(dst, d/1e3) }

// appendThousandths appends n/1000, without zeros at the end.
func appendThousandths(dst []byte, n int64) []byte {
	dst = strconv.AppendInt(dst, n/1000, 10)
	rest := n % 1000
	if rest == 0 {
		return dst
	}
	dst = append(dst, '.', byte('0'+rest/100))
	if rest %= 100; rest == 0 {
		return dst
	}
	dst = append(dst, byte('0'+rest/10))
	if rest %= 10; rest == 0 {
		return dst
	}
	return append(dst, byte('0'+rest))
}
