// SPDX-License-Identifier: Apache-2.0

package hpack

import "errors"

// Errors of one header list. The table is in sync and the connection goes on.
var (
	ErrListTooLarge  = errors.New("hpack: the header list is larger than allowed")
	ErrTooManyFields = errors.New("hpack: the header list has more fields than allowed")
)

// Errors of the connection: the table may be out of sync, so nothing that
// follows can be decoded (COMPRESSION_ERROR, RFC 9113, 4.3).
var (
	ErrTruncated       = errors.New("hpack: the header block ends within a field")
	ErrIntegerOverflow = errors.New("hpack: an integer is over 2^28")
	ErrIndex           = errors.New("hpack: an index is 0 or beyond the dynamic table")
	ErrHuffman         = errors.New("hpack: a Huffman code is invalid or badly padded")
	ErrTableSize       = errors.New("hpack: a table size update is missing, misplaced or over the announced size")
	// ErrBomb says that decoding to the end, only to keep the table in sync,
	// would cost more than the connection is worth.
	ErrBomb = errors.New("hpack: the header block decodes to several times what is allowed")
)
