// SPDX-License-Identifier: Apache-2.0

package codec

// Editor makes changed copies of heads of one protocol. A loop has one of each,
// which it uses again and again, so that a change costs no memory. Heads
// themselves never change: others may have the same one.
//
// Names are in lower case. What is given is kept as it is, without a copy, so it
// must live as long as the head that End returns.
type Editor interface {
	// Begin starts a copy of h, which must be of the editor's protocol.
	Begin(h Head)
	// Set gives a header this value in place of any that it has.
	Set(name, value []byte)
	// Join appends a value to that of a header, with a comma between, or sets
	// it where there is none. Cookies are never joined.
	Join(name, value []byte)
	// Remove takes a header away, as often as it is there.
	Remove(name []byte)
	// SetPath and SetAuthority do nothing where the protocol has neither.
	SetPath(path []byte)
	SetAuthority(authority []byte)
	// End returns the copy, which is valid until the next Begin, or why it
	// cannot be sent.
	End() (Head, Reason)
}
