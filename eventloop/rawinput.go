// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// A tls.Conn copies what it reads into a buffer, which it keeps for as long as it
// lives: some 18 KiB once a large record has come, for every idle connection.
// Between two reads nothing is in it, since it is given whole records and all of
// their data is taken at once; so each record takes the buffer's place, is
// decrypted where it lies, and nothing is copied or kept. Should another version
// of package tls have no such field, each connection copies and keeps again.

// rawInputAt is where that buffer lies in a tls.Conn, negative if it is not
// there.
var rawInputAt = func() int {
	f, ok := reflect.TypeFor[tls.Conn]().FieldByName("rawInput")
	if !ok || f.Type != reflect.TypeFor[bytes.Buffer]() {
		return -1
	}
	return int(f.Offset)
}()

func rawInput(c *tls.Conn) *bytes.Buffer {
	if rawInputAt < 0 {
		return nil
	}
	return (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(c), rawInputAt))
}

// lend puts a record into the place of the buffer. It is false where there is none,
// or something in it: then the record is there to be read.
func (w *wire) lend(record []byte) bool {
	raw := rawInput(w.tls)
	if raw == nil || raw.Len() > 0 {
		w.record = record
		return false
	}
	// What is appended to it must not be written behind it.
	*raw = *bytes.NewBuffer(record[:len(record):len(record)])
	return true
}

// reclaim takes the record back. What is left of one that was not whole after all
// is kept elsewhere.
func (w *wire) reclaim() {
	raw := rawInput(w.tls)
	if raw.Len() == 0 {
		*raw = bytes.Buffer{}
		return
	}
	*raw = *bytes.NewBuffer(bytes.Clone(raw.Bytes()))
}
