// SPDX-License-Identifier: Apache-2.0

package eventloop

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// A tls.Conn keeps the buffer that it decrypts in for as long as it lives: some
// 18 KiB once a large record has come, for every idle connection. Between two
// reads nothing is in it, since it is given whole records and all of their data
// is taken at once; so the connections of a loop share one. Should another
// version of package tls have no such field, each keeps its own again.

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

// lendRawInput gives c the loop's buffer for a read.
func (l *Loop) lendRawInput(c *tls.Conn) {
	if b := rawInput(c); b != nil && b.Len() == 0 {
		*b, l.rawInput = l.rawInput, bytes.Buffer{}
	}
}

// takeRawInput takes it back.
func (l *Loop) takeRawInput(c *tls.Conn) {
	if b := rawInput(c); b != nil && b.Len() == 0 {
		b.Reset()
		*b, l.rawInput = bytes.Buffer{}, *b
	}
}
