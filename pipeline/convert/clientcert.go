// SPDX-License-Identifier: Apache-2.0

package convert

import (
	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
)

// CertHeader tells who the client is, as Envoy says it.
const CertHeader = "x-forwarded-client-cert"

var certHeader = []byte(CertHeader)

// CertRule is what becomes of CertHeader in a request.
type CertRule uint8

const (
	// CertKeep passes on what the client has sent.
	CertKeep CertRule = iota
	// CertRemove takes it away.
	CertRemove
	// CertSet gives it the value of the connection.
	CertSet
	// CertAppend adds that value to what the client has sent.
	CertAppend
)

// ClientCert returns the head of a request as its client may have it: before routes
// and filters see it. It is h itself where there is nothing to change, else valid
// until the next call. value must live as long as what is returned.
//
// A key of a Bolt header map counts in any case, since it would become a field in
// lower case.
func (c *Converter) ClientCert(h codec.Head, rule CertRule, value []byte) (codec.Head, codec.Reason) {
	if !ChangesClientCert(h, rule) {
		return h, codec.ReasonNone
	}
	// These editors are others than those of routes, which may edit what
	// comes of it.
	to := c.arrivals.of(h.Protocol())
	to.Begin(h)
	switch rule {
	case CertSet:
		// A Bolt map keeps the spelling of a key that is there.
		to.Remove(certHeader)
		to.Set(certHeader, value)
	case CertAppend:
		to.Join(certHeader, value)
	default:
		to.Remove(certHeader)
	}
	return to.End()
}

// ChangesClientCert tells whether ClientCert would change h.
func ChangesClientCert(h codec.Head, rule CertRule) bool {
	switch rule {
	case CertKeep:
		return false
	case CertRemove:
		return hasCert(h)
	}
	return true
}

func hasCert(h codec.Head) bool {
	if h, ok := h.(*bolt.Head); ok {
		return h.MayHave(CertHeader) && h.Map.Has(certHeader)
	}
	_, ok := h.Get(CertHeader)
	return ok
}
