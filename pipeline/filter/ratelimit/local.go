// SPDX-License-Identifier: Apache-2.0

// Package ratelimit is the filters that hold requests to a rate: Envoy's
// local_rate_limit and MOSN's flowControlFilter. Both count for the process, in
// buckets that all loops share and nobody locks.
package ratelimit

import (
	"hash/maphash"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
	"github.com/sideloop/sideloop/pipeline/filter"
)

// LocalName is the type of the local rate limit.
const LocalName = "local_rate_limit"

// Local makes local rate limits.
var Local = filter.Kind{
	Listener: func(settings any) (filter.Plan, error) { return newLocal(settings), nil },
	Route:    func(settings any) (any, error) { return newLocal(settings), nil },
}

// local is the buckets of one listener or route. A request needs a token of each
// that is meant for it.
type local struct {
	rate        rate
	bucket      *paddedBucket // nil for none
	descriptors []descriptor
	refusal     filter.Refusal
}

// descriptor is a bucket for requests with certain headers, or one for each
// combination of the values of some of them.
type descriptor struct {
	entries []config.RateEntry
	rate    rate
	bucket  *paddedBucket // where every entry has a value
	table   *table
	seed    maphash.Seed
}

func newLocal(settings any) *local {
	c := settings.(*config.LocalRateLimit)
	l := &local{refusal: filter.Refusal{Reason: codec.RateLimited, Status: c.Status}}
	if c.ResourceExhausted {
		l.refusal.GRPC = codec.GRPCResourceExhausted
	}
	if c.Bucket.Max > 0 {
		l.rate, l.bucket = rateOf(c.Bucket), new(paddedBucket)
	}
	for _, d := range c.Descriptors {
		made := descriptor{entries: d.Entries, rate: rateOf(d.Bucket), seed: maphash.MakeSeed()}
		for _, e := range d.Entries {
			if e.Value == "" && made.table == nil {
				made.table = newTable(int(c.MaxDynamic))
			}
		}
		if made.table == nil {
			made.bucket = new(paddedBucket)
		}
		l.descriptors = append(l.descriptors, made)
	}
	return l
}

func rateOf(t config.TokenBucket) rate {
	return newRate(float64(t.Max), float64(t.Fill), t.Interval)
}

// Instance implements filter.Plan: nothing is kept by loop.
func (l *local) Instance() any { return l }

// OnRoute implements filter.RouteFilter. The narrower buckets come first, so that
// what they refuse takes nothing from the one for all.
func (l *local) OnRoute(c *filter.Call, _ *int64) filter.Answer {
	if own, ok := c.Route.FilterConfig(LocalName).(*local); ok {
		l = own
	}
	for i := range l.descriptors {
		d := &l.descriptors[i]
		if b := d.find(c.Head); b != nil && !taken(b, d.rate, c.Now) {
			return l.refuse(c)
		}
	}
	if l.bucket != nil && !taken(&l.bucket.bucket, l.rate, c.Now) {
		return l.refuse(c)
	}
	return filter.Continue
}

func taken(b *bucket, r rate, now int64) bool {
	_, ok := b.take(r, now, 0)
	return ok
}

func (l *local) refuse(c *filter.Call) filter.Answer {
	c.Refusal = l.refusal
	return filter.Reply
}

// find returns the bucket that a request counts in, nil where it lacks one of the
// headers.
func (d *descriptor) find(head filter.View) *bucket {
	var hash maphash.Hash
	hash.SetSeed(d.seed)
	for i := range d.entries {
		e := &d.entries[i]
		value, ok := head.Get(e.Header)
		if !ok || e.Value != "" && string(value) != e.Value {
			return nil
		}
		if d.table != nil {
			writePart(&hash, value)
		}
	}
	if d.table == nil {
		return &d.bucket.bucket
	}
	return d.table.find(hash.Sum64())
}

// writePart adds a value in a way that tells where it ends. Writes to a hash do
// not fail.
func writePart(h *maphash.Hash, value []byte) {
	n := len(value)
	h.Write([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
	h.Write(value)
}
