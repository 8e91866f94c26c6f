// SPDX-License-Identifier: Apache-2.0

// Package accesslog writes a line per request.
//
// A Log is one access log of a listener: a format compiled into segments, a
// filter, and a File. Its observers belong to the loops: each formats a line
// straight into its loop's block of the file, without a lock, a channel or an
// allocation. What neighbouring variables say alike for all requests between two
// connections is kept as text and copied. A block that is full, or as old as a
// second, is handed to the file's goroutine, which alone touches the disk. Blocks
// are bounded; while all of them wait for the disk, lines are dropped and counted.
//
// docs/ACCESS_LOG.md is for those who configure it.
package accesslog
