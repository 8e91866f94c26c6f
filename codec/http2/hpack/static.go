// SPDX-License-Identifier: Apache-2.0

package hpack

import (
	"hash/maphash"
	"slices"
)

// staticCount is the number of entries of the static table.
const staticCount = 61

// staticText is the static table in the order of RFC 7541, appendix A.
var staticText = [staticCount][2]string{
	{":authority", ""},
	{":method", "GET"},
	{":method", "POST"},
	{":path", "/"},
	{":path", "/index.html"},
	{":scheme", "http"},
	{":scheme", "https"},
	{":status", "200"},
	{":status", "204"},
	{":status", "206"},
	{":status", "304"},
	{":status", "400"},
	{":status", "404"},
	{":status", "500"},
	{"accept-charset", ""},
	{"accept-encoding", "gzip, deflate"},
	{"accept-language", ""},
	{"accept-ranges", ""},
	{"accept", ""},
	{"access-control-allow-origin", ""},
	{"age", ""},
	{"allow", ""},
	{"authorization", ""},
	{"cache-control", ""},
	{"content-disposition", ""},
	{"content-encoding", ""},
	{"content-language", ""},
	{"content-length", ""},
	{"content-location", ""},
	{"content-range", ""},
	{"content-type", ""},
	{"cookie", ""},
	{"date", ""},
	{"etag", ""},
	{"expect", ""},
	{"expires", ""},
	{"from", ""},
	{"host", ""},
	{"if-match", ""},
	{"if-modified-since", ""},
	{"if-none-match", ""},
	{"if-range", ""},
	{"if-unmodified-since", ""},
	{"last-modified", ""},
	{"link", ""},
	{"location", ""},
	{"max-forwards", ""},
	{"proxy-authenticate", ""},
	{"proxy-authorization", ""},
	{"range", ""},
	{"referer", ""},
	{"refresh", ""},
	{"retry-after", ""},
	{"server", ""},
	{"set-cookie", ""},
	{"strict-transport-security", ""},
	{"transfer-encoding", ""},
	{"user-agent", ""},
	{"vary", ""},
	{"via", ""},
	{"www-authenticate", ""},
}

// indexStatus is the first entry of the name :status.
const indexStatus = 8

// staticNameSlots makes a probe for one of 52 names rarely go past one slot.
const staticNameSlots = 256

var (
	// staticFields holds entry i at i; 0 is no index.
	staticFields [staticCount + 1]Field
	// staticNames finds a name's first entry by its hash, with linear probing.
	staticNames [staticNameSlots]uint8
	// volatileNames are the static entries whose values change from one
	// message to the next, so that indexing them only evicts others.
	volatileNames [staticCount + 1]bool
	// hashSeed is of this process, so that no peer can choose names that
	// collide.
	hashSeed = maphash.MakeSeed()
)

func init() {
	for i, text := range staticText {
		staticFields[i+1] = Field{Name: slices.Clip([]byte(text[0])), Value: slices.Clip([]byte(text[1]))}
		if i > 0 && staticText[i-1][0] == text[0] {
			continue
		}
		slot := hashOf(staticFields[i+1].Name) % staticNameSlots
		for staticNames[slot] != 0 {
			slot = (slot + 1) % staticNameSlots
		}
		staticNames[slot] = uint8(i + 1)
	}
	for _, name := range []string{
		"age", "content-length", "content-range", "date", "etag", "expires",
		"if-match", "if-modified-since", "if-none-match", "if-range",
		"if-unmodified-since", "last-modified", "location", "range",
		"retry-after", "set-cookie",
	} {
		volatileNames[staticName(hashOf([]byte(name)), []byte(name))] = true
	}
}

func hashOf(b []byte) uint32 { return uint32(maphash.Bytes(hashSeed, b)) }

// staticName returns the first static entry with this name, 0 for none.
func staticName(hash uint32, name []byte) uint32 {
	for slot := hash % staticNameSlots; ; slot = (slot + 1) % staticNameSlots {
		i := staticNames[slot]
		if i == 0 || string(staticFields[i].Name) == string(name) {
			return uint32(i)
		}
	}
}

// staticField returns the static entry with this value among those that have
// the name of entry first, 0 for none. Entries of one name are neighbours.
func staticField(first uint32, value []byte) uint32 {
	name := staticText[first-1][0]
	for i := first; i <= staticCount && staticText[i-1][0] == name; i++ {
		if string(staticFields[i].Value) == string(value) {
			return i
		}
	}
	return 0
}

// staticStatus returns the static entry of a reply's status, 0 for none.
func staticStatus(status int) uint8 {
	switch status {
	case 200:
		return indexStatus
	case 204:
		return indexStatus + 1
	case 206:
		return indexStatus + 2
	case 304:
		return indexStatus + 3
	case 400:
		return indexStatus + 4
	case 404:
		return indexStatus + 5
	case 500:
		return indexStatus + 6
	}
	return 0
}
