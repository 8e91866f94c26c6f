// SPDX-License-Identifier: Apache-2.0

package http2

// readPushPromise is PUSH_PROMISE (RFC 9113, 6.6): clients never send it, and
// our client has disabled it.
func (c *conn) readPushPromise([]byte) {
	c.fail(codeProtocolError, "push_promise")
}
