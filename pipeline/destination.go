// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/pipeline/convert"
)

// aim gives a request of a cluster of original destinations its own: that of the
// header, where the cluster says so and it holds one, else that of the
// connection.
func (e *exchange) aim(h convert.View) codec.Reason {
	o := e.members.Original()
	if !o.Set {
		return codec.ReasonNone
	}
	if o.Header != "" {
		address, ok := h.Get(o.Header)
		if !ok && o.Header == "host" {
			address = h.Authority()
		}
		if r := e.members.Aim(&e.request, address); r != codec.NoHealthyUpstream {
			return r
		}
	}
	return e.members.Aim(&e.request, e.conn.originalDst())
}

// originalDst is where the client's connection was headed, as "ip:port", empty
// where that is not known. The kernel is asked once.
func (c *connection) originalDst() []byte {
	if !c.chain.OriginalDst {
		return nil
	}
	r := c.rarely()
	if r.original == nil {
		r.original = []byte{}
		if a, ok := c.conn.OriginalDst(); ok {
			r.original = a.AppendTo(r.original)
		}
	}
	return r.original
}
