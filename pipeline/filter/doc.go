// SPDX-License-Identifier: Apache-2.0

// Package filter is what a filter of requests is to the pipeline, and the chain
// of those of one listener.
//
// A [Plan] is a filter compiled from its settings, once per listener. Each loop
// has an instance of its own, which may keep what it likes without a lock; what
// all loops share, such as a limit of the process, lies in the Plan and consists
// of atomic words only, each on a cache line of its own.
//
// An instance implements those of the hooks that it needs: [RequestFilter],
// [RouteFilter], [BodyFilter], [ReplyFilter], [EndFilter]. They are called on
// the loop, in the order of the listener's stream_filters, and must not block. A
// hook that answers Reply ends the request; the filters behind it do not see
// it, but all see its end.
//
// A filter package imports codec and config and this one, never pipeline.
package filter
