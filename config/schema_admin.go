// SPDX-License-Identifier: Apache-2.0

package config

import "math"

var adminObject = &object{name: "admin", keys: []key{
	{name: "address", kind: objectKind, object: adminAddressObject, required: true, doc: "Address that the admin server listens on."},
	{name: "access_log_path", kind: textKind, status: differs, note: "requests to the admin server are not logged", doc: "Envoy's log of admin requests."},
}}

var adminAddressObject = &object{name: "an admin address", keys: []key{
	{name: "socket_address", kind: objectKind, object: socketAddressObject, required: true, doc: "The TCP address."},
}}

var socketAddressObject = &object{name: "a socket address", keys: []key{
	{name: "address", kind: textKind, fallback: `"127.0.0.1"`, doc: "The IP address; a warning where it is not of the loopback."},
	{name: "port_value", kind: integerKind, required: true, max: math.MaxUint16, doc: "The port; 0 lets the kernel choose one."},
	{name: "protocol", kind: textKind, status: ignored, doc: "Always TCP."},
}}

// pprofObject: MOSN's endpoint is 0.0.0.0, which offers the process's memory to
// everybody.
var pprofObject = &object{name: "pprof", keys: []key{
	{name: "debug", kind: flagKind, fallback: `false`, doc: "Whether Go's profiles are served at port_value. An admin server on the loopback has them anyway."},
	{name: "port_value", kind: integerKind, fallback: `9090`, max: math.MaxUint16, doc: "Port of the profiling server."},
	{name: "endpoint", kind: textKind, fallback: `"127.0.0.1"`, doc: "Address of the profiling server; 0.0.0.0 in MOSN."},
}}
