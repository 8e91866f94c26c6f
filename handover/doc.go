// SPDX-License-Identifier: Apache-2.0

// Package handover gives the sockets of one process to another: listening ones
// from a supervisor ([Activated], systemd's protocol) or from the process before
// ([Inherit]), and open connections. It knows what a socket is and nothing of what
// the proxy does with it.
//
// # An upgrade
//
// The old process starts the new one ([Start]) with one end of a socket pair and
// an environment variable that says which descriptor that is. Each message on it
// is a header, whose first byte carries at most one descriptor (SCM_RIGHTS), and
// JSON.
//
//	old                         new
//	hello, socket … sockets ──►
//	                       ◄──  prepared        reads the configuration, binds what it was not given
//	commit                 ──►
//	                       ◄──  serving         accepts, answers as admin server, owns the pid file
//	(accepts no more)
//	connection             ──►
//	                       ◄──  taken, or refused
//	(closes the channel when it has no more to give)
//
// Until "serving" the old process gives nothing up: a new one that fails, in
// whatever way, is killed and nothing has happened. After it the new one needs
// the old one for nothing.
//
// A listening socket that two processes have is one queue. Both may accept for a
// moment; closing it in one of them closes nothing but that process's descriptor.
package handover
