// SPDX-License-Identifier: Apache-2.0

// Package convert maps requests and replies between Bolt and HTTP/2. The
// mapping of frame fields and header pairs is that of MOSN 0.3 to 0.10;
// docs/BOLT_OVER_HTTP2.md describes it, with what Sideloop adds.
//
// A Converter belongs to one loop. What its methods return is valid until the
// next call of the same method and may point into what was given to it.
package convert
