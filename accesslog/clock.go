// SPDX-License-Identifier: Apache-2.0

package accesslog

import "time"

// clock writes moments. The text of the last millisecond is kept, and of its second,
// since most lines of a loop are of the same one.
type clock struct {
	local, utc stamp
	// lasted was written last, as text: most replies come whole, so that a request
	// ends with the head of its reply.
	lasted uint64
	text   []byte
}

// stamp is a moment to the millisecond, and its text up to that.
type stamp struct {
	milli  int64
	second int64
	text   []byte
}

const (
	localLayout = "2006/01/02 15:04:05.000"
	utcLayout   = "2006-01-02T15:04:05.000"
)

// appendLocal appends a moment, in nanoseconds since 1970, in local time.
func (c *clock) appendLocal(dst []byte, at int64) []byte {
	s := &c.local
	if milli := at / int64(time.Millisecond); milli != s.milli && !s.follow(milli) {
		s.text = time.UnixMilli(milli).AppendFormat(s.text[:0], localLayout)
	}
	return append(dst, s.text...)
}

// appendUTC appends it by RFC 3339.
func (c *clock) appendUTC(dst []byte, at int64) []byte {
	s := &c.utc
	if milli := at / int64(time.Millisecond); milli != s.milli && !s.follow(milli) {
		s.text = append(time.UnixMilli(milli).UTC().AppendFormat(s.text[:0], utcLayout), 'Z')
	}
	return append(dst, s.text...)
}

// follow changes the digits behind the last point of the text, if it is of the
// same second; if not, the text must be written anew.
func (s *stamp) follow(milli int64) bool {
	second := milli / 1000
	same := second == s.second && len(s.text) > 0
	s.milli, s.second = milli, second
	if !same {
		return false
	}
	ms := milli % 1000
	digits := s.text[len("2006/01/02 15:04:05."):]
	digits[0], digits[1], digits[2] = byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10)
	return true
}

// appendDurationOf appends the time between two moments unless the second never came.
func (c *clock) appendDurationOf(dst []byte, from, to int64) []byte {
	if to == 0 {
		return dst
	}
	d := uint64(max(to-from, 0))
	if d < uint64(time.Microsecond) {
		return appendDuration(dst, d)
	}
	if d != c.lasted {
		c.lasted, c.text = d, appendDuration(c.text[:0], d)
	}
	return append(dst, c.text...)
}

// appendDuration appends d in the unit that suits it, as in "1.25ms", to three
// places.
func appendDuration(dst []byte, d uint64) []byte {
	switch {
	case d < uint64(time.Microsecond):
		return append(appendUint(dst, d), "ns"...)
	case d < uint64(time.Millisecond):
		return append(appendThousandths(dst, d), "µs"...)
	case d < uint64(time.Second):
		return append(appendThousandths(dst, d/1e3), "ms"...)
	}
	return append(appendThousandths(dst, d/1e6), 's')
}

// appendMS appends d in milliseconds, down to the microsecond.
func appendMS(dst []byte, d uint64) []byte { return appendThousandths(dst, d/1e3) }
