// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
	"github.com/sideloop/sideloop/codec/http2"
)

// View is what routes and filters see of a request.
type View interface {
	Get(name string) (value []byte, ok bool)
	Method() []byte
	Path() []byte
	Authority() []byte
}

// boltView is an HTTP/2 request that carries a Bolt header map: its headers are
// the map's, the rest is its own.
type boltView struct {
	*http2.Head
	headers bolt.HeaderMap
	class   []byte
}

// ClassName is that of the Bolt request.
func (v *boltView) ClassName() []byte { return v.class }

// Get implements View over the rebuilt map.
func (v *boltView) Get(name string) ([]byte, bool) { return v.headers.Get(name) }

// View returns what a route is to see of h on a listener whose upstream protocol
// is to. Where that settles what the upstream is sent, head is it, else nil.
func (c *Converter) View(h codec.Head, to codec.Protocol) (v View, head codec.Head, r codec.Reason) {
	hh, ok := h.(*http2.Head)
	if ok {
		_, described := hh.Get(BoltHeader)
		ok = described || to == codec.Bolt
	}
	if !ok {
		if h.Protocol() == to {
			head = h
		}
		return h, head, codec.ReasonNone
	}
	converted, r := c.memo.requestToBolt(c, hh)
	if r != codec.ReasonNone {
		return nil, nil, r
	}
	c.view = boltView{hh, converted.Map, converted.Class}
	if to == codec.Bolt {
		head = converted
	}
	return &c.view, head, codec.ReasonNone
}
