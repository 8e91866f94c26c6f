// SPDX-License-Identifier: Apache-2.0

package result

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Range and precision of every histogram: a microsecond to ten minutes would
// be enough for a proxy, but a tenth of it costs little and shows fast paths.
const (
	lowest  = int64(100) // nanoseconds
	highest = int64(10 * time.Minute)
	digits  = 3
)

// Histogram is a latency distribution in nanoseconds. It is written as JSON with
// a readable summary and the whole distribution in HdrHistogram's compressed
// encoding, from which it is read back.
type Histogram struct{ hdr *hdrhistogram.Histogram }

// NewHistogram returns an empty histogram.
func NewHistogram() *Histogram {
	return &Histogram{hdrhistogram.New(lowest, highest, digits)}
}

// Record counts one value; values out of range count as the nearest in range.
func (h *Histogram) Record(ns int64) {
	// The clamped value is in range, so that there is no error.
	_ = h.hdr.RecordValue(min(max(ns, 0), highest))
}

// Merge adds the counts of another histogram.
func (h *Histogram) Merge(o *Histogram) { h.hdr.Merge(o.hdr) }

// Reset forgets all counts.
func (h *Histogram) Reset() { h.hdr.Reset() }

// Count is the number of values.
func (h *Histogram) Count() uint64 { return uint64(h.hdr.TotalCount()) }

// At is the value that p percent of all values do not exceed, 0 when empty.
func (h *Histogram) At(p float64) int64 {
	if h.hdr.TotalCount() == 0 {
		return 0
	}
	return h.hdr.ValueAtQuantile(p)
}

// Min, Max, Mean and StdDev are 0 when empty.
func (h *Histogram) Min() int64      { return h.hdr.Min() }
func (h *Histogram) Max() int64      { return h.hdr.Max() }
func (h *Histogram) Mean() float64   { return h.hdr.Mean() }
func (h *Histogram) StdDev() float64 { return h.hdr.StdDev() }

// summary is the readable part of the JSON.
type summary struct {
	Count  uint64  `json:"count"`
	Min    int64   `json:"min"`
	Mean   float64 `json:"mean"`
	StdDev float64 `json:"stddev"`
	P50    int64   `json:"p50"`
	P90    int64   `json:"p90"`
	P99    int64   `json:"p99"`
	P999   int64   `json:"p999"`
	P9999  int64   `json:"p9999"`
	Max    int64   `json:"max"`
	HDR    string  `json:"hdr"`
}

// MarshalJSON implements json.Marshaler.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	encoded, err := h.hdr.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encode a histogram: %w", err)
	}
	return json.Marshal(summary{
		Count: h.Count(), Min: h.Min(), Mean: h.Mean(), StdDev: h.StdDev(),
		P50: h.At(50), P90: h.At(90), P99: h.At(99), P999: h.At(99.9), P9999: h.At(99.99),
		Max: h.Max(), HDR: string(encoded),
	})
}

// UnmarshalJSON implements json.Unmarshaler.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var s summary
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	hdr, err := decodeHDR(s.HDR)
	if err != nil {
		return fmt.Errorf("decode a histogram: %w", err)
	}
	h.hdr = hdr
	return nil
}

// maxEncoded bounds what a histogram inflates to: every count of our range, at
// the nine bytes that the largest takes, is under 300 KB.
const maxEncoded = 1 << 20

// decodeHDR takes only histograms of our range, since all others lose values
// when they are merged. The encoding is base64 of a cookie and a length, four
// bytes each, and a zlib stream; that begins with a header of 40 bytes. Both
// are checked here, since the decoder allocates what they say.
func decodeHDR(encoded string) (*hdrhistogram.Histogram, error) {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, err
	}
	if len(raw) < 8 {
		return nil, fmt.Errorf("%d bytes are too short", len(raw))
	}
	z, err := zlib.NewReader(bytes.NewReader(raw[8:]))
	if err != nil {
		return nil, err
	}
	inflated, err := io.ReadAll(io.LimitReader(z, maxEncoded+1))
	switch {
	case err != nil:
		return nil, err
	case len(inflated) > maxEncoded:
		return nil, fmt.Errorf("it inflates to more than %d bytes", maxEncoded)
	case len(inflated) < 40:
		return nil, fmt.Errorf("it inflates to %d bytes, too short", len(inflated))
	}
	precision := binary.BigEndian.Uint32(inflated[12:])
	from, to := binary.BigEndian.Uint64(inflated[16:]), binary.BigEndian.Uint64(inflated[24:])
	if precision != digits || from != uint64(lowest) || to != uint64(highest) {
		return nil, fmt.Errorf("its range is %d to %d with %d digits, ours %d to %d with %d", from, to, precision, lowest, highest, digits)
	}
	hdr, err := hdrhistogram.Decode([]byte(encoded))
	if err != nil {
		return nil, err
	}
	if hdr.TotalCount() < 0 {
		return nil, errors.New("its counts overflow")
	}
	return hdr, nil
}

// Clone is a copy that shares nothing.
func (h *Histogram) Clone() *Histogram {
	c := NewHistogram()
	c.Merge(h)
	return c
}
