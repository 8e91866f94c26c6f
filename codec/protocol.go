// SPDX-License-Identifier: Apache-2.0

package codec

// Protocol names a wire protocol that a session can speak.
type Protocol uint8

const (
	// ProtocolUnknown is the zero value; no session speaks it.
	ProtocolUnknown Protocol = iota
	// Bolt is SOFABolt, versions 1 and 2, which may be mixed on a connection.
	Bolt
	// HTTP2 is HTTP/2 with prior knowledge (h2c); TLS is the transport's matter.
	HTTP2
	// ProtocolCount is the number of values above, for tables by protocol.
	ProtocolCount
)

var protocolNames = [ProtocolCount]string{"unknown", "bolt", "http2"}

// String is the protocol's name in logs and metrics.
func (p Protocol) String() string {
	if p >= ProtocolCount {
		return protocolNames[ProtocolUnknown]
	}
	return protocolNames[p]
}

// MOSNName is what MOSN's variables call the protocol, empty where it is unknown.
func (p Protocol) MOSNName() string {
	switch p {
	case Bolt:
		return "bolt"
	case HTTP2:
		return "Http2"
	}
	return ""
}

// ParseProtocol is the protocol of a name that String has returned.
func ParseProtocol(name string) (p Protocol, known bool) {
	for p := range ProtocolCount {
		if protocolNames[p] == name {
			return p, true
		}
	}
	return ProtocolUnknown, false
}

// Interleaves tells whether messages in progress share a connection. Where it
// is false a frame, once begun, holds the connection until its last byte, so a
// body that is not complete yet needs a connection of its own.
func (p Protocol) Interleaves() bool { return p == HTTP2 }
