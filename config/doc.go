// SPDX-License-Identifier: Apache-2.0

// Package config turns MOSN's configuration, in the shape of 2018 and in
// today's, into one typed, defaulted and validated [Config], and says with file,
// line, column and JSON path what is wrong with it.
//
// One table per object (the files named schema_*.go) states the keys that exist,
// their kind, default and meaning, and what this proxy does with each. It drives
// the check of a file, the defaults of the typed result and the documentation.
//
// What is wrong falls in three classes. An error stops the proxy from starting:
// the file is malformed or contradicts itself, or it asks for a feature that is
// not implemented here and that decides who may connect, what is encrypted or
// where a request goes. A warning names what works differently or is left out
// without such an effect. An unknown key is one that MOSN does not have either;
// it is an error when checking and a warning when starting.
package config
