// SPDX-License-Identifier: Apache-2.0

package router

import (
	"strconv"

	"github.com/bytedance/gopkg/lang/fastrand"
	"github.com/bytedance/gopkg/util/xxhash3"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/config"
)

// hashPolicy is one thing that a request's hash is made of.
type hashPolicy struct {
	config.HashPolicy
	attributes string // of a new cookie, behind its value
}

func newHash(list []config.HashPolicy) []hashPolicy {
	var policies []hashPolicy
	for _, c := range list {
		p := hashPolicy{HashPolicy: c}
		if c.TTL > 0 {
			p.attributes += "; Max-Age=" + strconv.FormatInt(int64(c.TTL.Seconds()), 10)
		}
		if c.CookiePath != "" {
			p.attributes += "; Path=" + c.CookiePath
		}
		p.attributes += "; HttpOnly"
		policies = append(policies, p)
	}
	return policies
}

// Cookie is a cookie that a client is to be given with its reply.
type Cookie struct {
	policy *hashPolicy
	value  uint64
}

// Hash is what the first policy makes of the request that finds anything. A
// cookie that is missing and has a lifetime is made: made is then to be sent to
// the client.
func (a *Action) Hash(q *Query) (hash uint64, ok bool, made Cookie) {
	for i := range a.hash {
		switch p := &a.hash[i]; {
		case p.Header != "":
			if v, found := q.header(p.Header); found {
				return xxhash3.Hash(v), true, made
			}
		case p.SourceIP:
			if v := q.source(); len(v) > 0 {
				return xxhash3.Hash(v), true, made
			}
		default:
			if v, found := q.cookie(p.Cookie); found {
				return xxhash3.Hash(v), true, made
			}
			if p.Make && q.Protocol == codec.HTTP2 {
				made = Cookie{p, newCookie(q)}
				var text [16]byte
				return xxhash3.Hash(appendHex(text[:0], made.value)), true, made
			}
		}
	}
	return 0, false, made
}

// newCookie is the same for all requests of one connection, so that those that
// are on their way together get to one host.
func newCookie(q *Query) uint64 {
	remote := q.remote()
	if len(remote) == 0 {
		return fastrand.Uint64()
	}
	sum := xxhash3.Hash(remote)
	return sum ^ xxhash3.Hash(q.local())
}

// Any tells that there is a cookie to send.
func (c Cookie) Any() bool { return c.policy != nil }

// Append appends the value of set-cookie.
func (c Cookie) Append(b []byte) []byte {
	b = append(append(b, c.policy.Cookie...), '=', '"')
	b = appendHex(b, c.value)
	return append(append(b, '"'), c.policy.attributes...)
}

func appendHex(b []byte, v uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, digits[v>>shift&0xf])
	}
	return b
}
