// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
)

// startDownloads serves as many bytes as a request's "size" says, in pieces.
func startDownloads(t *testing.T) *h2Service {
	piece := body(32 << 10)
	return startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		var size int
		fmt.Sscan(r.Header.Get("Size"), &size)
		for ; size > 0; size -= len(piece) {
			if _, err := w.Write(piece[:min(size, len(piece))]); err != nil {
				return
			}
		}
	})
}

// download gets a reply of n bytes that matter in their number only.
func download(t testing.TB, c *http.Client, address string, n int) {
	t.Helper()
	q, _ := http.NewRequest("GET", "http://"+address+"/", nil)
	q.Header.Set("Service", service)
	q.Header.Set("Size", fmt.Sprint(n))
	r, err := c.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if got, err := io.Copy(io.Discard, r.Body); err != nil || int(got) != n {
		t.Fatalf("%d bytes of %d, %v", got, n, err)
	}
}

// sharing is clients that share an upstream connection, each with those of its
// loop.
func sharing(t *testing.T, up *h2Service, p *proxy, clients int) []*http.Client {
	t.Helper()
	list := make([]*http.Client, clients)
	for i := range list {
		list[i] = newH2Client(t)
		download(t, list[i], p.address("in"), 10)
	}
	// Two loops have a connection each; of several clients two share one.
	if n := up.accepted.Load(); n > 2 {
		t.Fatalf("%d upstream connections for %d clients", n, clients)
	}
	return list
}

// A stream whose reader is stuck takes nothing from those beside it, on the same
// client connection and the same upstream connection.
func TestStuckStreamAndItsNeighbours(t *testing.T) {
	up := startDownloads(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}}))
	c := dialFrames(t, p.address("in"), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	size := []string{"size", fmt.Sprint(10 << 20)}
	for id := uint32(1); id < 20; id += 2 {
		c.ask(id, true, size...)
		c.wantHeaders()
	}
	eventually(t, "ten replies wait", func() bool { return p.held()[codec.Hold] >= 10*60_000 })
	c.ask(21, true, "size", fmt.Sprint(2<<20))
	c.wantHeaders()
	c.grant(21, 4<<20)
	if b, ended := c.wantData(-1); len(b) != 2<<20 || !ended {
		t.Errorf("the neighbour got %d bytes", len(b))
	}
	// The stuck ones are held to their first window.
	if h := p.held()[codec.Hold]; h > 10*(64<<10) {
		t.Errorf("%d bytes are held for ten streams", h)
	}
	for id := uint32(1); id < 20; id += 2 {
		c.fr.WriteRSTStream(id, http2.ErrCodeCancel)
	}
	p.wantEnded(codec.DownstreamReset, 10)
	p.wantNothingHeld()
}

// A client whose socket is full takes nothing from other clients on the same
// upstream connection.
func TestStuckClientAndItsNeighbours(t *testing.T) {
	up := startDownloads(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}}))
	var stuck []net.Conn
	for range 2 { // one on each loop
		c := dialFrames(t, p.address("in"), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
		c.fr.WriteWindowUpdate(0, 1<<30)
		for id := uint32(1); id < 40; id += 2 {
			c.ask(id, true, "size", fmt.Sprint(64<<20))
		}
		stuck = append(stuck, c.conn)
	}
	eventually(t, "both sockets are full", func() bool { return p.turns().Blocked >= 2 })
	for _, c := range sharing(t, up, p, 4) {
		for range scale(3) {
			download(t, c, p.address("in"), 2<<20)
		}
	}
	for _, c := range stuck {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	p.wantNothingHeld()
}

// A thousand stuck streams stay within what a loop may hold: those that have
// waited longest give way. Who reads is served meanwhile.
func TestThousandStuckStreams(t *testing.T) {
	const streams = 1000
	up := startH2Limited(t, "127.0.0.1:0", startDownloads(t).server.Handler.ServeHTTP, 2*streams)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}}))
	c := dialFrames(t, p.address("in"), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	for i := range uint32(streams) {
		c.ask(2*i+1, true, "size", fmt.Sprint(1<<20))
	}
	// A reply's first window is 64 KiB, so that a quarter of them fit.
	const fit = codec.HoldLimit / (64 << 10)
	const most = codec.HoldLimit + 2*(1<<20) // and what one turn brings
	reader := newH2Client(t)
	eventually(t, "the rest gave way", func() bool {
		if h := p.held()[codec.Hold]; h > 2*most {
			t.Fatalf("%d bytes are held by two loops", h)
		}
		download(t, reader, p.address("in"), 100_000)
		return p.ended(codec.Overflow) >= streams-fit-1
	})
	if n := p.ended(codec.Overflow); n > streams-fit+32 {
		t.Errorf("%d of %d streams gave way; want about %d", n, streams, streams-fit)
	}
	if h := p.held()[codec.Hold]; h > codec.HoldLimit {
		t.Errorf("%d bytes are held", h)
	}
	c.conn.Close()
	p.wantNothingHeld()
}

// A large reply does not hold up small ones that are asked for after it.
func TestSmallReplyPassesALargeOne(t *testing.T) {
	l := listenScript(t)
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{l.Addr().String()}}))
	c := dialFrames(t, p.address("in"), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	c.ask(1, true)
	up := acceptFrames(t, l)
	large := up.wantHeaders().StreamID
	up.send(large, false, ":status", "200")
	c.wantHeaders()
	// The client's window of the connection is used up by the large reply; a
	// small one waits in line behind one frame of it, not behind all.
	up.data(large, body(60_000), false)
	got, _ := c.wantData(60_000)
	up.wantUpdate(large)
	up.data(large, body(30_000), false)
	eventually(t, "the rest waits", func() bool { return p.held()[codec.Hold] == 90_000-65_535 })
	c.ask(3, true)
	small := up.wantHeaders().StreamID
	up.send(small, false, ":status", "200")
	up.data(small, []byte("small"), true)
	rest, _ := c.wantData(65_535 - 60_000)
	got = append(got, rest...)
	if h := c.wantHeaders(); h.StreamID != 3 {
		t.Fatalf("the head of %d", h.StreamID)
	}
	eventually(t, "both wait", func() bool { return p.held()[codec.Hold] == 90_000-65_535+5 })
	c.fr.WriteWindowUpdate(0, 20_000)
	var order []uint32
	for sum := 0; sum < 20_000; {
		f, ok := c.next().(*http2.DataFrame)
		if !ok {
			t.Fatal("another frame than DATA")
		}
		sum += len(f.Data())
		order = append(order, f.StreamID)
		if f.StreamID == 1 {
			got = append(got, f.Data()...)
		}
	}
	if len(order) != 3 || order[0] != 1 || order[1] != 3 || order[2] != 1 {
		t.Errorf("DATA came on %v; want one frame of each in turn", order)
	}
	c.fr.WriteWindowUpdate(0, 1<<20)
	up.fr.WriteData(large, true, nil)
	rest, ended := c.wantData(-1)
	if got = append(got, rest...); !ended || !bytes.Equal(got, append(bytes.Clone(body(60_000)), body(30_000)...)) {
		t.Errorf("%d bytes", len(got))
	}
	p.wantOK(2)
}
