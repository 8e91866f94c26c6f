// SPDX-License-Identifier: Apache-2.0

// Package eventloop is the reactor: loops, connections, listeners, dials and
// timers. It knows no protocol, and it is the only package that knows gnet.
//
// # Ownership
//
// A connection is given to one loop and stays there. Its methods, its
// callbacks, the loop's timers and tasks all run on that loop, one at a time, so
// nothing of it needs a lock. Other goroutines reach a loop only by [Loop.Post].
//
// Nothing is re-entrant. A method of [Conn] never calls a [Handler]: what there
// is to tell is queued and delivered after the running callback has returned.
// [Handler.OnClose] is the last call and comes exactly once.
//
// After its end a Conn may still be held and called; every method is a no-op
// then. Its descriptor is used nowhere but in one function, behind a check that
// the connection is open, because by then the number may be another's.
//
// # The turn
//
//	epoll batch ── read each ready connection, at most ReadBuffer bytes ──► OnData
//	                 handlers append; a connection with output is dirty
//	            ── queued tasks, notices, closes ──► OnWritable, OnClose, Run
//	            ── flush: one write per dirty connection
//	            ── arm the timerfd, if an earlier timer was scheduled
//	            ── look what is ready next
//
// The flush waits for the end of the batch, so that a hundred frames for one
// upstream are one write, and one request alone is written at once. gnet does
// not tell when a batch ends; so the loop looks at the next batch before gnet
// takes it. While there is traffic, that look is also where the loop waits: it
// keeps its P, where a wait of gnet's has the runtime hand it to another thread
// and back. After a few milliseconds without events it returns to gnet, which
// waits as long as it takes.
//
// A turn flushes early when it has appended or written through more than
// 256 KiB, and a connection when it holds 64 KiB. Timers expire when the timerfd's event is served, among the
// connections of the batch. Time is read when a turn begins ([Loop.Now]).
//
// Everything that could go on for ever (tasks that queue tasks, posts that post,
// timers that are all due) is bounded per turn; the rest waits until the sockets
// have been served.
//
// # Backpressure
//
// What the kernel refuses is kept in one pooled buffer per connection, and the
// watermarks are compared with that, not with what a turn has appended. A second
// epoll set per loop, the watcher, tells when a socket takes bytes again: waiting
// for a stuck peer costs nothing. [Conn.PauseRead] stops reading in the kernel,
// so the peer stalls; it is applied once per turn, however often it changes.
//
// # TLS
//
// A handshake runs on a goroutine over the blocking socket, before the
// connection is on its loop: [ListenConfig.TLS], [DialConfig.TLS]. They are
// bounded, and one that is too many ends the oldest. Then the tls.Conn reads and
// writes through the loop ([Conn.Hello] tells what was agreed on): it is given
// one whole record at a time, so that nothing is ever left inside, and what is
// appended is encrypted when it is flushed. The peer's close_notify is told as a
// FIN is; a FIN without one as well, unless it cuts a record.
//
// # The end of a connection
//
// The peer's FIN is [Handler.OnPeerClosed], and writing goes on. A handler that
// does not read is told of it ahead of time by [LeaveHandler]. [Conn.Close]
// sends all there is, then the FIN, and drops input until the peer's FIN, within
// LingerTimeout. [Conn.Abort] sends a reset. An error of write does not hide what
// the peer said before it left: that is read first.
//
// # Other processes
//
// A listening socket may be [Inherited], and left to another process ([Listener.Leave])
// without its queue being closed. So may a quiet connection: frozen, duplicated, and
// given up without a word to the peer ([Conn.Freeze], [Conn.Moved]), to be taken by
// [Listener.Adopt] elsewhere.
//
// # gnet's edges
//
//	gnet v2.10                                     here
//	---------------------------------------------  --------------------------------------------
//	an error of accept ends the engine             loops without listeners; own accept, pausing
//	listeners cannot come and go                   the same; one that goes takes its queue
//	a Unix listener takes and removes any socket   probe, directory lock, inode compared
//	least-connections counts too late              counted at hand-over
//	enrolment fails in silence                     a flag set in OnOpen is compared
//	dials have no timeout, cannot be cancelled     own dial goroutine, then Enroll
//	output is unbounded and drains unnoticed       own output buffer, own write, watcher
//	Write after close reaches a reused descriptor  phase checked before the only write
//	a failed Write closes re-entrantly             errors are queued as the connection's end
//	input is unbounded, reading cannot pause       mask set on gnet's epoll descriptor
//	a paused Unix socket loses unread bytes        taken out of the set while paused
//	read of 0 closes: no half-close                descriptor duplicated in OnClose
//	close drops what the kernel refused            Close drains, shuts down, lingers
//	no timers                                      timing wheel on a timerfd served as a conn;
//	                                               one exact timer per loop beside it
//	the end of a batch is not told                 looked at beforehand
//	a task that queues itself starves the sockets  leftovers wake the loop by the timerfd
//	a panic ends the process                       recovered around every callback
//	the zone of an IPv6 address is recycled        stripped from the address that gnet sees
//	edge-triggered mode and poll_opt               level-triggered; start refuses poll_opt
//
// What is needed of gnet's unexported fields is read in one file and checked at
// start.
package eventloop
