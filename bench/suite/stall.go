// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/sideloop/sideloop/bench"
	"github.com/sideloop/sideloop/bench/peers"
)

const (
	// stallSample is how much of each reply is checked once it flows again.
	stallSample = 1 << 20
	// stallTimeout is for beginning all transfers, and for the samples.
	stallTimeout = 20 * time.Second
	// stallWindow is what a client of HTTP/2 lets come before it is read.
	stallWindow = 64 << 10
)

// stalled returns a scenario of clients that do not read.
func stalled(id, name, what string, hops []hop) *scenario {
	return &scenario{
		id: id, name: name, hops: hops, connections: connections, inFlight: 1, body: largeBody, figure: peakMegabytes, alone: true,
		what: fmt.Sprintf("%d %s that are echoed, on a connection each, whose clients do not read the reply for the time of a measurement: the most memory that is resident. Then each checks that its reply goes on.", connections, what),
	}
}

// stall measures what a proxy holds for clients that do not read.
func (r *runner) stall(ctx context.Context, sc *scenario, w *way) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, stallTimeout+r.duration(sc))
	defer cancel()
	content := bench.Content(sc.body)
	begin := beginBolt
	if sc.client() == peers.HTTP2 {
		begin = beginHTTP2
	}
	replies := make([]io.ReadCloser, 0, sc.connections)
	defer func() {
		for _, one := range replies {
			_ = one.Close()
		}
	}()
	for range sc.connections {
		one, err := begin(ctx, w.address, content)
		if err != nil {
			return sample{}, errors.Join(err, w.alive())
		}
		replies = append(replies, one)
	}
	select {
	case <-ctx.Done():
		return sample{}, ctx.Err()
	case <-time.After(r.duration(sc)):
	}
	got := make([]byte, min(stallSample, len(content)))
	for _, one := range replies {
		if _, err := io.ReadFull(one, got); err != nil {
			return sample{}, errors.Join(fmt.Errorf("after the stall: %w", err), w.alive())
		}
		if !bytes.Equal(got, content[:len(got)]) {
			return sample{}, errors.New("after the stall: the reply has other content")
		}
	}
	_, peak, err := w.settled(ctx)
	return sample{figure: float64(peak) / (1 << 20), rss: float64(peak)}, errors.Join(err, w.alive())
}

// boltReplyHead is the part of a Bolt reply's head that has a fixed size; the
// lengths of the rest are at these places of it.
const (
	boltReplyHead   = 20
	boltClassLength = 12
	boltMapLength   = 14
)

// boltTransfer is the reply to a request that is still being sent. Its head is
// read with the first of its content.
type boltTransfer struct {
	net.Conn
	begun bool
}

// beginBolt sends a request and reads nothing yet.
func beginBolt(ctx context.Context, address string, content []byte) (io.ReadCloser, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	end, _ := ctx.Deadline()
	_ = conn.SetDeadline(end)
	go func() {
		// An error shows in what is read; the end of the connection ends it.
		if _, err := conn.Write(bench.BoltBeginning(bench.BoltRequest(service, stallTimeout), uint32(len(content)))); err == nil {
			_, _ = conn.Write(content)
		}
	}()
	return &boltTransfer{Conn: conn}, nil
}

func (t *boltTransfer) Read(b []byte) (int, error) {
	if !t.begun {
		t.begun = true
		var head [boltReplyHead]byte
		if _, err := io.ReadFull(t.Conn, head[:]); err != nil {
			return 0, err
		}
		rest := int64(binary.BigEndian.Uint16(head[boltClassLength:])) + int64(binary.BigEndian.Uint16(head[boltMapLength:]))
		if _, err := io.CopyN(io.Discard, t.Conn, rest); err != nil {
			return 0, err
		}
	}
	return t.Conn.Read(b)
}

// http2Transfer is the body of a reply, on a connection of its own.
type http2Transfer struct {
	io.ReadCloser
	transport *http.Transport
}

// beginHTTP2 sends a request and waits for the head of its reply.
func beginHTTP2(ctx context.Context, address string, content []byte) (io.ReadCloser, error) {
	var plain http.Protocols
	plain.SetUnencryptedHTTP2(true)
	transport := &http.Transport{
		Protocols: &plain, DisableCompression: true, HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: stallWindow},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/", bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	reply, err := transport.RoundTrip(request)
	if err != nil {
		transport.CloseIdleConnections()
		return nil, err
	}
	if reply.StatusCode != http.StatusOK {
		err = fmt.Errorf("a reply has status %d", reply.StatusCode)
	}
	return &http2Transfer{reply.Body, transport}, err
}

func (t *http2Transfer) Close() error {
	err := t.ReadCloser.Close()
	t.transport.CloseIdleConnections()
	return err
}
