// SPDX-License-Identifier: Apache-2.0

package health

import (
	"bufio"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sideloop/sideloop/config"
)

// request reads one request of HTTP/1.
func request(c net.Conn) error {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err == nil {
		r.Body.Close()
	}
	return err
}

func httpCheck(codes ...config.CodeRange) *config.HealthCheck {
	c := often(config.HealthHTTP1)
	c.Reuse = true
	c.Request = config.HealthRequest{Method: "GET", Path: "/healthz", Codes: codes}
	return c
}

// What a host may answer to a probe of HTTP/1, and whether its connection is
// kept: seen from the number of connections that two probes made.
func TestHTTP1Answers(t *testing.T) {
	for name, tt := range map[string]struct {
		reply   string
		failure FailureType
		reason  string
		kept    bool
	}{
		"length":          {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "", "", true},
		"no body":         {"HTTP/1.1 204 No Content\r\n\r\n", "", "", true},
		"keep-alive":      {"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", "", "", true},
		"bare newlines":   {"HTTP/1.1 200 OK\ncontent-length: 0\n\n", "", "", true},
		"informational":   {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", "", true},
		"no reason":       {"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "", "", true},
		"chunked":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "", "", false},
		"close":           {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "", "", false},
		"until the end":   {"HTTP/1.1 200 OK\r\n\r\nok", "", "", false},
		"HTTP/1.0":        {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "", "", false},
		"more than asked": {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", "", "", false},
		"bad length":      {"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "", "", false},
		"huge body":       {"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "", "", false},
		"in range":        {"HTTP/1.1 299 OK\r\nContent-Length: 0\r\n\r\n", "", "", true},
		"out of range":    {"HTTP/1.1 300 No\r\nContent-Length: 0\r\n\r\n", Active, "status 300", true},
		"server error":    {"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", Active, "status 503", true},
		"not HTTP":        {"SSH-2.0-OpenSSH\r\n", Active, "not HTTP/1", false},
		"bad status":      {"HTTP/1.1 2x0 OK\r\n\r\n", Active, "not HTTP/1", false},
		"small status":    {"HTTP/1.1 099 OK\r\n\r\n", Active, "not HTTP/1", false},
		"HTTP/2":          {"HTTP/2 200\r\n\r\n", Active, "not HTTP/1", false},
		"long line":       {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", http1Line) + "\r\n\r\n", Active, "a line that is too long", false},
		"many lines":      {"HTTP/1.1 200 OK\r\n" + strings.Repeat("a: b\r\n", http1Lines) + "\r\n", Active, "a head of too many lines", false},
		"cut off":         {"HTTP/1.1 200 OK\r\nContent-Le", Network, "unexpected EOF", false},
		"nothing":         {"", Network, "EOF", false},
	} {
		t.Run(name, func(t *testing.T) {
			p := startPeer(t, func(c net.Conn) {
				for request(c) == nil {
					if _, err := io.WriteString(c, tt.reply); err != nil || !tt.kept {
						return
					}
				}
			})
			a := newAsker(httpCheck(config.CodeRange{First: 200, Last: 200}, config.CodeRange{First: 203, Last: 299}), usualLimits(t))
			var s session
			for range 2 {
				var err error
				if s, err = a.ask(deadline(t, waitLimit), new(net.Dialer), p.host(), s); err == nil != (tt.failure == "") {
					t.Fatalf("failure %v, want %q", err, tt.failure)
				}
				if failure, reason := describe(err); failure != tt.failure || !strings.Contains(reason, tt.reason) {
					t.Fatalf("failure %s %q, want %s %q", failure, reason, tt.failure, tt.reason)
				}
			}
			if s != nil {
				s.close()
			}
			if n := p.connections(); n == 1 != tt.kept {
				t.Errorf("two probes made %d connections; kept should be %v", n, tt.kept)
			}
		})
	}
}

// A host may close an idle connection; the next probe makes a new one.
func TestClosedConnectionIsNoFailure(t *testing.T) {
	closed := make(chan struct{}, 2)
	p := startPeer(t, func(c net.Conn) {
		if request(c) == nil {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
		c.Close()
		closed <- struct{}{}
	})
	a := newAsker(httpCheck(config.CodeRange{First: 200, Last: 200}), usualLimits(t))
	s, err := a.ask(deadline(t, waitLimit), new(net.Dialer), p.host(), nil)
	if err != nil || s == nil {
		t.Fatalf("%v, kept %v", err, s != nil)
	}
	<-closed
	if s, err = a.ask(deadline(t, waitLimit), new(net.Dialer), p.host(), s); err != nil {
		t.Fatal(err)
	}
	s.close()
	if n := p.connections(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

// A port and a name of the check's own.
func TestProbeGoesToItsPort(t *testing.T) {
	hosts := make(chan string, 1)
	p := startPeer(t, func(c net.Conn) {
		if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			hosts <- r.Host
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
	})
	c := httpCheck(config.CodeRange{First: 200, Last: 200})
	c.Request.Port = uint16(p.Addr().(*net.TCPAddr).Port)
	c.Request.Authority = "cart.example"
	if err := askOnce(t, c, Host{Network: "tcp", Address: "127.0.0.1:1"}, waitLimit); err != nil {
		t.Fatal(err)
	}
	if h := <-hosts; h != "cart.example" {
		t.Errorf("asked of %q", h)
	}
}

// What a host may answer to a heartbeat.
func TestBoltAnswers(t *testing.T) {
	const (
		v1     = "01000000010000000101" + "0000" + "00000000" + "00000000"
		v2     = "0201000000010000000101" + "00" + "0000" + "00000000" + "00000000"
		v2crc  = "0202000000010000000101" + "01" + "0000" + "00000000" + "00000000" + "deadbeef"
		theirs = "0101000001000000630100000000" + "00000000" + "00000000" // a heartbeat of their own
		goaway = "0102006401000000000100000000" + "00000000" + "00000000"
	)
	for name, tt := range map[string]struct {
		reply, reason string
	}{
		"version 1":         {v1, ""},
		"version 2":         {v2, ""},
		"with a checksum":   {v2crc, ""},
		"with a class":      {"01000000010000000101" + "0000" + "0002" + "0004" + "00000003" + "616200000000616263", ""},
		"after strays":      {theirs + goaway + v1, ""},
		"another id":        {"01000000010000000201" + "0000" + "00000000" + "00000000" + v1, ""},
		"a bad status":      {"01000000010000000101" + "0004" + "00000000" + "00000000", "status 4"},
		"HTTP":              {hex.EncodeToString([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")), "not Bolt"},
		"a bad type":        {"0107" + v1[4:], "not Bolt"},
		"a bad version":     {"0209" + v2[4:], "not Bolt"},
		"strays only":       {strings.Repeat(theirs, boltStrays), "frames that were not asked for"},
		"a frame too large": {"01000000010000000101" + "0000" + "00000000" + "7fffffff", "a frame too large"},
		"half":              {v1[:20], "unexpected EOF"},
		"nothing":           {"", "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			reply, err := hex.DecodeString(tt.reply)
			if err != nil {
				t.Fatal(err)
			}
			for _, whole := range []bool{true, false} {
				p := startPeer(t, func(c net.Conn) {
					got := make([]byte, 22)
					if _, err := io.ReadFull(c, got); err != nil || hex.EncodeToString(got) != "01010000"+"01"+"00000001"+"01"+"000003e8"+"0000000000000000" {
						t.Errorf("the heartbeat is %x (%v)", got, err)
					}
					for i := range reply {
						if whole {
							c.Write(reply)
							break
						}
						c.Write(reply[i : i+1])
					}
					// The probe has ended when it closes; what it did not read is
					// no reset then.
					c.(*net.TCPConn).CloseWrite()
					io.Copy(io.Discard, c)
				})
				err := askOnce(t, often(config.HealthBolt), p.host(), waitLimit)
				if _, reason := describe(err); err == nil != (tt.reason == "") || !strings.Contains(reason, tt.reason) {
					t.Errorf("reason %q, want %q", reason, tt.reason)
				}
			}
		})
	}
}

func TestBoltHeartbeatOfVersion2(t *testing.T) {
	got := make([]byte, 24)
	p := startPeer(t, func(c net.Conn) { io.ReadFull(c, got) })
	askOnce(t, often(config.HealthBoltV2), p.host(), waitLimit)
	p.stop()
	if text := hex.EncodeToString(got); text != "0201010000"+"01"+"00000001"+"01"+"00"+"000003e8"+"0000000000000000" {
		t.Errorf("the heartbeat is %s", text)
	}
}

// Whatever comes instead of HTTP/2 is a wrong answer, and nothing is a timeout.
func TestHTTP2WrongAnswers(t *testing.T) {
	get := often(config.HealthHTTP2)
	get.Request = config.HealthRequest{Method: "GET", Path: "/", Codes: []config.CodeRange{{First: 200, Last: 200}}}
	for _, c := range []*config.HealthCheck{get, often(config.HealthHTTP2Connect), often(config.HealthGRPC)} {
		p := startPeer(t, func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
			io.Copy(io.Discard, c)
		})
		if failure, reason := describe(askOnce(t, c, p.host(), waitLimit)); failure != Active || reason != "not HTTP/2" {
			t.Errorf("%v: %s %q", c.Protocol, failure, reason)
		}
		mute := startPeer(t, func(c net.Conn) { io.Copy(io.Discard, c) })
		if failure, _ := describe(askOnce(t, c, mute.host(), 50*time.Millisecond)); failure != NetworkTimeout {
			t.Errorf("%v: %s of a mute host", c.Protocol, failure)
		}
	}
}

// The messages of grpc.health.v1.
func TestServingStatus(t *testing.T) {
	for text, want := range map[string]uint64{
		"":                    0, // proto3 leaves the default out
		"0801":                1,
		"0802":                2,
		"1a03616263" + "0801": 1, // a field that is not known
		"11" + "0102030405060708" + "1d01020304" + "2005" + "0801": 1,
		"0802" + "0801": 1, // the last one counts
	} {
		b, _ := hex.DecodeString(text)
		if got, ok := servingStatus(b); !ok || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"08", "80", "0880", "1a05", "1aff", "11010203", "1d01", "0b", "0f"} {
		b, _ := hex.DecodeString(text)
		if _, ok := servingStatus(b); ok {
			t.Errorf("%s was taken", text)
		}
	}
	if q := hex.EncodeToString(grpcQuestion("ab")); q != "0000000004"+"0a026162" {
		t.Errorf("question %s", q)
	}
	if q := hex.EncodeToString(grpcQuestion("")); q != "0000000000" {
		t.Errorf("question %s", q)
	}
}

func FuzzServingStatus(f *testing.F) {
	for _, s := range []string{"\x08\x01", "\x1a\x03abc\x08\x02", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x11\x01"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) { servingStatus(b) })
}

func FuzzHTTP1Head(f *testing.F) {
	for _, s := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 No\n\n", "HTTP/1.1 200\r\nConnection: close\r\n\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h := http1Head{reader: bufio.NewReaderSize(strings.NewReader(s), http1Line)}
		if h.read() == nil && (h.status < 200 || h.status > 999) {
			t.Errorf("status %d", h.status)
		}
	})
}

func FuzzBoltAnswer(f *testing.F) {
	for _, s := range []string{"\x01\x00\x00\x00\x01\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "\x02\x02\x00\x00\x00\x01\x00\x00\x00\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00crc!", "\x01\x01"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &boltSession{id: 1}
		answered, _ := s.read(bufio.NewReaderSize(strings.NewReader(string(b)), 64))
		if answered && len(b) < boltFixed {
			t.Errorf("%d bytes are no answer", len(b))
		}
	})
}
