// SPDX-License-Identifier: Apache-2.0

package bolt

// sendGoAway tells a client to send no further requests on this connection. It
// is MOSN's extension: a request without content that gets no answer.
func (s *Server) sendGoAway() {
	st := stamp{version: s.version, ver1: 1, typ: TypeRequest, command: CommandGoAway, codec: CodecHessian}
	s.bare(st, &Head{})
}

// onGoAway takes the same from an upstream host: the connection leaves the pool
// and ends when its streams have.
func (c *Client) onGoAway() { c.Drain() }
