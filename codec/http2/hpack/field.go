// SPDX-License-Identifier: Apache-2.0

// Package hpack is header compression for HTTP/2 (RFC 7541) over byte views,
// without an allocation per field.
package hpack

// Field is one header field. Decoded fields are views that are valid as long
// as the decoder that made them says.
type Field struct {
	Name, Value []byte
	// Sensitive fields are sent and forwarded as never indexed (RFC 7541,
	// 7.1.3).
	Sensitive bool
}

// overhead is what each field counts beyond its bytes (RFC 7541, 4.1).
const overhead = 32

// Size is the field's size as tables and header lists count it (RFC 7541, 4.1).
func (f Field) Size() int { return len(f.Name) + len(f.Value) + overhead }
