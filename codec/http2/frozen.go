// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"

	"github.com/sideloop/sideloop/codec"
)

// maxVariants bounds the authorities under which a frozen head is remembered: the
// hosts of a common cluster. Heads for more hosts than that are made each time.
const maxVariants = 16

// Freeze returns a copy of h that never changes and has memory of its own. What
// is sent with the same frozen head again and again is encoded once.
func (h *Head) Freeze() *Head {
	loose := *h
	c := &common{head: *loose.Copy(new(codec.Arena)).(*Head)}
	c.head.common = c
	for i := range c.head.Fields {
		c.head.names.add(c.head.Fields[i].Name)
	}
	return &c.head
}

// Frozen tells that h never changes and lives as long as somebody refers to it:
// it may be kept, and what once was found out about this very pointer holds. A
// changed copy of the struct is not frozen.
func (h *Head) Frozen() bool { return h.common != nil && h == &h.common.head }

// WithAuthority returns h under that :authority: a frozen head of its own for
// each where h is frozen, as far as they are remembered, else scratch.
func (h *Head) WithAuthority(authority []byte, scratch *Head) *Head {
	if h.Frozen() {
		if v := h.variant(authority); v != nil {
			return v
		}
	}
	*scratch = *h
	scratch.AuthorityName = authority
	return scratch
}

// variant returns the frozen head that is h under an authority, nil where there
// are many already.
func (h *Head) variant(authority []byte) *Head {
	for _, v := range h.common.variants {
		if bytes.Equal(v.AuthorityName, authority) {
			return v
		}
	}
	if len(h.common.variants) == maxVariants {
		return nil
	}
	c := &common{head: *h}
	c.head.common, c.head.AuthorityName = c, bytes.Clone(authority)
	h.common.variants = append(h.common.variants, &c.head)
	return &c.head
}
