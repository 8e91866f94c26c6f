// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// longStream is a stream that its host echoes, alone on a connection over TLS.
type longStream struct {
	*framePeer
	sent, goaways int
}

var longStreams = map[string][]string{
	"tunnel": plainConnect,
	"stream": {":method", "POST", ":scheme", "https", ":path", "/", ":authority", "a", "service", service},
}

func (m *mesh) openStream(address string, ask []string) *longStream {
	m.t.Helper()
	c, err := tls.Dial("tcp", address, m.clientConfig("h2"))
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { c.Close() })
	s := &longStream{framePeer: newFramePeer(m.t, c)}
	c.SetDeadline(time.Now().Add(2 * waitLimit))
	io.WriteString(c, http2.ClientPreface)
	s.fr.WriteSettings()
	s.send(1, false, ask...)
	wantStatus(m.t, s.wantHeaders(), 200, "")
	return s
}

// echo sends a piece and waits for it to come back; it is false once the stream
// was reset or its connection has ended.
func (s *longStream) echo() bool {
	s.t.Helper()
	s.sent++
	piece := fmt.Appendf(nil, "piece %d", s.sent)
	s.data(1, piece, false)
	for got := []byte(nil); !bytes.Equal(got, piece); {
		f, err := s.read()
		switch f := f.(type) {
		case *http2.DataFrame:
			if got = append(got, f.Data()...); f.StreamEnded() || !bytes.HasPrefix(piece, got) {
				s.t.Fatalf("got %q for %q, end %v", got, piece, f.StreamEnded())
			}
		case *http2.GoAwayFrame:
			if s.goaways++; f.LastStreamID < 1 || f.ErrCode != http2.ErrCodeNo {
				s.t.Fatalf("got %v", f)
			}
		default:
			if len(got) > 0 {
				s.t.Fatalf("got %q for %q, and then %v, %v", got, piece, f, err)
			}
			return false
		}
	}
	return true
}

// end finishes both directions.
func (s *longStream) end() {
	s.t.Helper()
	s.data(1, []byte("last"), true)
	b, ended := s.wantData(-1)
	if string(b) != "last" || !ended {
		s.t.Errorf("the end is %q", b)
	}
	s.conn.Close()
}

// echoAtOnce sends each piece of a body back as it comes.
func echoAtOnce(w http.ResponseWriter, r *http.Request) {
	flush := http.NewResponseController(w)
	w.WriteHeader(http.StatusOK)
	flush.Flush()
	for b := make([]byte, 4<<10); ; {
		n, err := r.Body.Read(b)
		w.Write(b[:n])
		if flush.Flush(); err != nil {
			return
		}
	}
}

// startLongStreams runs a proxy with a listener for long streams over TLS, and one
// for Bolt over TLS whose tickets are sealed by a shared secret.
func startLongStreams(t *testing.T, drainTime string) (m *mesh, l *lineage, streams, bolt string) {
	m = newMesh(t)
	h2 := hop{name: "streams", listen: freeAddress(t), down: "Http2", up: "Http2", hosts: []string{startH2Service(t, "127.0.0.1:0", echoAtOnce).address()}, tls: m.toClients(""),
		proxyKV: `, "extend_config": {"Http2": {"allow_connect": true}}`}
	b := echoThrough(t, freeAddress(t))
	b.tls = m.toClients(`, "ticket": "a secret of the cluster"`)
	return m, startLineage(t, configOf(h2, b), "--drain-time", drainTime), h2.listen, b.listen
}

// Connections over TLS stay with the old process over an upgrade: what is open on
// them goes on both ways, and the process ends as soon as nothing is. New ones go
// to the new process.
func TestUpgradeBesideLongStreams(t *testing.T) {
	m, l, address, bolt := startLongStreams(t, "1h")
	old := l.current()
	open := make(map[string]*longStream)
	for name, ask := range longStreams {
		open[name] = m.openStream(address, ask)
		open[name].echo()
	}
	lasting := m.dialBolt(bolt)
	wantEchoOn(t, lasting)
	resuming := m.resuming(tls.VersionTLS13)
	if _, err := m.session(bolt, resuming); err != nil {
		t.Fatal(err)
	}
	l.upgrade()
	for range 2 {
		for name, s := range open {
			for range 20 {
				if !s.echo() {
					t.Fatalf("%s: the stream has ended", name)
				}
			}
			if s.goaways == 0 {
				t.Errorf("%s: the client was not told to leave", name)
			}
		}
		wantEchoOn(t, lasting)
		for _, ask := range longStreams {
			fresh := m.openStream(address, ask)
			if !fresh.echo() || fresh.goaways > 0 {
				t.Error("a new stream is not with the new process")
			}
			fresh.end()
		}
		if resumed, err := m.session(bolt, resuming); err != nil || !resumed {
			t.Errorf("a session from before: resumed %v, %v", resumed, err)
		}
	}
	lasting.close()
	for name, s := range open {
		if !alive(old) {
			t.Errorf("the old process has ended before the %s", name)
		}
		s.end()
	}
	l.wantGone(old)
}

// What is open when the drain time is over is reset, not ended, and not sooner.
func TestUpgradeEndsLongStreams(t *testing.T) {
	t.Parallel() // it waits for most of the time
	const drainTime = 2 * time.Second
	m, l, address, _ := startLongStreams(t, drainTime.String())
	old := l.current()
	open := make(map[string]*longStream)
	for name, ask := range longStreams {
		open[name] = m.openStream(address, ask)
	}
	began := time.Now()
	l.upgrade()
	for len(open) > 0 {
		for name, s := range open {
			if s.echo() {
				continue
			}
			delete(open, name)
			if lasted := time.Since(began); lasted < drainTime || s.sent < 2 {
				t.Errorf("%s: reset after %v and %d pieces", name, lasted, s.sent)
			}
		}
	}
	l.wantGone(old)
	fresh := m.openStream(address, longStreams["tunnel"])
	if !fresh.echo() {
		t.Error("the new process does not serve")
	}
	fresh.end()
}
