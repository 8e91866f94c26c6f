// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/codec/bolt"
)

const (
	// requestClass is the class that SofaRPC's servers expect of a request.
	requestClass = "com.alipay.sofa.rpc.core.request.SofaRequest"
	// serviceKey is the header pair that MOSN's routes match.
	serviceKey = "service"
	// maxReply bounds what a server can make a caller hold: far over the
	// largest content that tests echo.
	maxReply = 256 << 20
	// callReadSize is the size of one read: a reply of the common kind is one.
	callReadSize = 64 << 10
)

// BoltRequest returns the head of a request for service, as a SofaRPC client
// would send it with the given timeout.
func BoltRequest(service string, timeout time.Duration) *bolt.Head {
	return &bolt.Head{
		Version: bolt.V1, Type: bolt.TypeRequest, Command: bolt.CommandRequest,
		Codec: bolt.CodecHessian, TimeoutMS: int32(min(timeout.Milliseconds(), 1<<31-1)),
		Class: []byte(requestClass),
		Map:   bolt.AppendPair(nil, []byte(serviceKey), []byte(service)),
	}
}

// BoltReply is the reply to a call.
type BoltReply struct {
	Head    *bolt.Head
	Content []byte
}

// statusNames are the names that SofaRPC gives to response statuses.
var statusNames = map[uint16]string{
	codec.BoltSuccess:         "success",
	codec.BoltServerException: "server exception",
	codec.BoltUnknown:         "unknown",
	codec.BoltBusy:            "server threadpool busy",
	codec.BoltNoProcessor:     "no processor",
	codec.BoltTimeout:         "timeout",
	codec.BoltClientSendError: "client send error",
	codec.BoltCodecException:  "codec exception",
	codec.BoltClosed:          "connection closed",
	codec.BoltServerDeserial:  "server deserialization exception",
}

// StatusText is the name of the reply's status.
func (r *BoltReply) StatusText() string {
	if name, ok := StatusText(r.Head.Status); ok {
		return name
	}
	return "not a known status"
}

// StatusText is the name of a Bolt status; ok is false when it has none.
func StatusText(status uint16) (name string, ok bool) {
	name, ok = statusNames[status]
	return name, ok
}

// BoltBeginning is what comes before the content, of n bytes, in a request of
// head, which is not one-way.
func BoltBeginning(head *bolt.Head, n uint32) []byte {
	c := newCall()
	h := *head
	h.ContentLength = n
	c.stream = c.session.Open(c)
	c.stream.SendHeaders(&h, nil, false)
	return c.out
}

// CallBolt sends one request on conn, which nobody else uses meanwhile, and
// waits for its reply until ctx ends. The request is head, whose id is chosen
// here and which must not be one-way, with content. conn can be used for further
// calls unless there was an error or the server replied without having read the
// whole request; closing it is the caller's matter.
func CallBolt(ctx context.Context, conn net.Conn, head *bolt.Head, content []byte) (*BoltReply, error) {
	if head.Type != bolt.TypeRequest {
		return nil, errors.New("bolt call: the head is not one of a request that is answered")
	}
	_ = conn.SetDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
	defer stop()
	c := newCall()
	c.stream = c.session.Open(c)
	c.stream.SendHeaders(head, content, true)
	if len(c.out) == 0 {
		c.session.Tick(0) // tells why it cannot be sent
	}
	reply, err := c.exchange(conn)
	if err != nil {
		return nil, fmt.Errorf("bolt call to %s: %w", conn.RemoteAddr(), explain(ctx, err))
	}
	return reply, nil
}

// past is a deadline that ends what is in progress.
var past = time.Unix(1, 0)

// explain puts the end of ctx in place of the deadline that it led to.
func explain(ctx context.Context, err error) error {
	if ctx.Err() == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("no complete reply in time: %w", ctx.Err())
	}
	return ctx.Err()
}

// call is one request over a session of its own, whose sink, owner and receiver
// it is.
type call struct {
	session *bolt.Client
	memory  codec.Memory
	out     []byte
	arena   codec.Arena
	reply   BoltReply
	stream  codec.Stream
	done    bool
	shut    bool
	reason  codec.Reason
}

func newCall() *call {
	c := &call{}
	limits := bolt.DefaultLimits()
	limits.MaxFrame = maxReply
	c.session = bolt.NewClient(callSink{c}, c, &c.memory, &limits, 1)
	return c
}

// exchange writes what the session has to say while it reads the reply, so that
// a peer that answers before it has read everything is no deadlock.
func (c *call) exchange(conn net.Conn) (*BoltReply, error) {
	written := make(chan struct{})
	go func(request []byte) {
		// An error shows in what is read.
		_, _ = conn.Write(request)
		close(written)
	}(c.out)
	c.out = nil
	err := c.read(conn)
	_ = conn.SetWriteDeadline(past) // what is left of the request is not wanted
	<-written
	_ = conn.SetWriteDeadline(time.Time{})
	switch {
	case err != nil:
		return nil, err
	case c.reason != codec.ReasonNone:
		return nil, fmt.Errorf("%s (%s)", c.reason.Text(), c.reason)
	}
	return &c.reply, nil
}

// read feeds the session until the call is over.
func (c *call) read(conn net.Conn) error {
	start := time.Now()
	b := make([]byte, callReadSize)
	for !c.done && !c.shut {
		n, err := conn.Read(b)
		c.session.Feed(b[:n], int64(time.Since(start)))
		c.out = nil // answers to heartbeats, which one call can do without
		if c.done || c.shut {
			break
		}
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("the connection was closed before the reply was complete: %w", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
