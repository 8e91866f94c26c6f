// SPDX-License-Identifier: Apache-2.0

package http2

// code is an error code of RST_STREAM and GOAWAY (RFC 9113, 7).
type code uint32

const (
	codeNoError          code = 0x0
	codeProtocolError    code = 0x1
	codeFlowControlError code = 0x3
	codeSettingsTimeout  code = 0x4
	codeStreamClosed     code = 0x5
	codeFrameSizeError   code = 0x6
	codeRefusedStream    code = 0x7
	codeCancel           code = 0x8
	codeCompressionError code = 0x9
	codeConnectError     code = 0xa
	codeEnhanceYourCalm  code = 0xb
)
