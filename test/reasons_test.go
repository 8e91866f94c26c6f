// SPDX-License-Identifier: Apache-2.0

package test

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sideloop/sideloop/codec"
	"github.com/sideloop/sideloop/stats"
)

// provocation makes one request fail for a reason.
type provocation struct {
	reason codec.Reason
	// protocols are both where it is empty.
	protocols string
	// host is where the request goes; an echo service by default.
	host func(t *testing.T, protocol string) string
	// edit changes the hop, filters are those of the listener, and limits are the
	// members of an overload_manager.
	edit            func(h *hop)
	filters, limits string
	// ask makes the request, with any that must come before it, and returns the
	// reason in the reply; askOnce by default. Where the client cannot have one,
	// it returns that word itself.
	ask func(t *testing.T, o *operated, protocol string) string
	// unlogged is why there is no line in the access log.
	unlogged string
}

// provocations has a line for each reason that a request can end with while its
// client looks on.
var provocations = []provocation{
	{reason: codec.NoRoute, edit: func(h *hop) { h.match = `{"headers": [{"name": "service", "value": "another"}]}` }},
	{reason: codec.NoCluster, edit: func(h *hop) { h.route = `, "cluster_header": "service"` }},
	{reason: codec.NoHealthyUpstream, edit: func(h *hop) { h.hosts = nil }},
	{reason: codec.ConnectFailed, host: func(t *testing.T, _ string) string { return freeAddress(t) }},
	{reason: codec.ConnectTimeout, host: func(t *testing.T, _ string) string { return startDeaf(t) },
		edit: func(h *hop) { h.clusterKV = `, "connect_timeout": "20ms"` }},
	{reason: codec.UpstreamTLSFailed, edit: func(h *hop) { h.clusterKV = `, "tls_context": {"status": true, "insecure_skip": true}` }},
	{reason: codec.UpstreamTimeout, host: silent, edit: func(h *hop) { h.route = `, "timeout": "20ms"` }},
	{reason: codec.UpstreamUnresponsive, host: mute, edit: func(h *hop) {
		h.clusterKV = `, "keepalive": {"interval": "20ms", "timeout": "10ms", "fast_fail": true}`
	}},
	{reason: codec.UpstreamClosed, host: hangingUp("")},
	{reason: codec.UpstreamProtocolError, host: hangingUp("HTTP/1.1 400 Bad Request\r\n\r\n")},
	{reason: codec.UpstreamReset, protocols: "Http2", host: scripted(func(p *framePeer, id uint32) { p.fr.WriteRSTStream(id, http2.ErrCodeInternal) })},
	{reason: codec.UpstreamRefused, protocols: "Http2", host: scripted(func(p *framePeer, id uint32) { p.fr.WriteRSTStream(id, http2.ErrCodeRefusedStream) })},
	{reason: codec.UpstreamGoAway, protocols: "Http2", host: scripted(func(p *framePeer, _ uint32) { p.fr.WriteGoAway(0, http2.ErrCodeNo, nil) })},
	{reason: codec.DownstreamReset, protocols: "Http2", host: silent, ask: func(t *testing.T, o *operated, protocol string) string {
		http2.NewFramer(o.begin(t, protocol), nil).WriteRSTStream(1, http2.ErrCodeCancel)
		return codec.DownstreamReset.String()
	}},
	{reason: codec.DownstreamClosed, host: silent, ask: func(t *testing.T, o *operated, protocol string) string {
		c := o.begin(t, protocol)
		c.(*net.TCPConn).SetLinger(0) // a client of Bolt may close one direction only
		c.Close()
		return codec.DownstreamClosed.String()
	}},
	{reason: codec.Overflow, host: silent, edit: func(h *hop) { h.clusterKV = `, "circuit_breakers": [{"max_requests": 1}]` },
		ask: func(t *testing.T, o *operated, protocol string) string {
			o.begin(t, protocol)
			return askOnce(t, o, protocol)
		}},
	{reason: codec.BodyTooLarge, filters: `{"type": "payload_limit", "config": {"max_entity_size": 1}}`},
	{reason: codec.AccessDenied, filters: `{"type": "ip_access", "config": {"default_action": "deny"}}`},
	{reason: codec.RateLimited, filters: `{"type": "local_rate_limit", "config": {"token_bucket": {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "1h"}}}`,
		ask: func(t *testing.T, o *operated, protocol string) string {
			askOnce(t, o, protocol)
			return askOnce(t, o, protocol)
		}},
	{reason: codec.FaultAbort, filters: `{"type": "fault", "config": {"abort": {"percentage": 100, "status": 503}}}`},
	{reason: codec.Overloaded, limits: `"max_heap_size_bytes": 1, "stop_accepting_connections": 1`, ask: askUntilRefused},
	{reason: codec.TunnelRefused, protocols: "Http2", ask: func(t *testing.T, o *operated, _ string) string {
		c := dialFrames(t, o.address("in"))
		c.send(1, false, plainConnect...)
		return field(c.wantHeaders(), codec.ReasonHeader)
	}},
}

// elsewhere is where the other reasons are tested, or why they cannot be.
var elsewhere = map[codec.Reason]string{
	codec.DownstreamSlow: "TestBoltClientThatNeverReads", codec.HeaderTooLarge: "test/attack", codec.ProtocolError: "TestIllegalRequests",
	codec.Calm: "test/attack", codec.IdleTimeout: "TestGRPCStreamOutlivesIdleTimeouts", codec.Draining: "it is the process that ends",
	codec.Internal: "it is a fault of ours", codec.TunnelUnsupported: "TestTunnelUnsupported",
}

// askOnce makes a request and returns the reason in its reply.
func askOnce(t *testing.T, o *operated, protocol string) string {
	if protocol == "SofaRpc" {
		r, err := dialBolt(t, o.address("in")).call(newBoltRequest(service, body(100)))
		if err != nil {
			return err.Error()
		}
		return r.get(codec.ReasonHeader)
	}
	r, err := tryH2(newH2Client(t), o.address("in"), body(100), true, http.Header{"Service": {service}})
	if err != nil {
		return err.Error()
	}
	return r.header.Get(codec.ReasonHeader)
}

// askUntilRefused asks until a reply has a reason: what is short of memory is
// looked at once a second.
func askUntilRefused(t *testing.T, o *operated, protocol string) (word string) {
	eventually(t, "a request is refused", func() bool { word = askOnce(t, o, protocol); return word != "" })
	return word
}

// begin makes a request and returns its connection when it is on its way to the
// host.
func (o *operated) begin(t *testing.T, protocol string) (c net.Conn) {
	t.Helper()
	if protocol == "SofaRpc" {
		c = dial(t, o.address("in"))
		f := newBoltRequest(service, nil)
		c.Write(f.encode())
	} else {
		p := dialFrames(t, o.address("in"))
		p.ask(1, true, "service", service)
		c = p.conn
	}
	eventually(t, "the request is under way", func() bool { return o.stats().Get(stats.UpstreamRequests) == 1 })
	return c
}

// silent is a host that reads and says nothing, but an HTTP/2 host's first words.
func silent(t *testing.T, protocol string) string {
	if protocol == "Http2" {
		return scripted(func(*framePeer, uint32) {})(t, protocol)
	}
	return startBoltService(t, "127.0.0.1:0", func(boltFrame) []boltFrame { return nil }).address()
}

// mute is a host that answers nothing at all, heartbeats included.
func mute(t *testing.T, protocol string) string {
	l := listenScript(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				c.SetDeadline(time.Now().Add(waitLimit))
				if protocol == "Http2" {
					http2.NewFramer(c, nil).WriteSettings()
				}
				io.Copy(io.Discard, c)
			}()
		}
	}()
	return l.Addr().String()
}

// hangingUp is a host that sends text to whoever asks, and closes.
func hangingUp(text string) func(*testing.T, string) string {
	return func(t *testing.T, _ string) string {
		l := listenScript(t)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					c.SetDeadline(time.Now().Add(waitLimit))
					b := make([]byte, 64<<10)
					// The preface of HTTP/2 comes before the request.
					for n := 0; !strings.Contains(string(b[:n]), service) && n < len(b); {
						m, err := c.Read(b[n:])
						if err != nil {
							return
						}
						n += m
						if strings.HasPrefix(string(b[:n]), "PRI") && n > 150 {
							break
						}
					}
					c.Write([]byte(text))
				}()
			}
		}()
		return l.Addr().String()
	}
}

// scripted is an HTTP/2 host that does something about each request.
func scripted(do func(p *framePeer, id uint32)) func(*testing.T, string) string {
	return func(t *testing.T, _ string) string {
		l := listenScript(t)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					p := serveFrames(t, c)
					for {
						f, err := p.read()
						if err != nil {
							return
						}
						if h, ok := f.(*http2.MetaHeadersFrame); ok {
							do(p, h.StreamID)
						}
					}
				}()
			}
		}()
		return l.Addr().String()
	}
}

// For every reason that can be provoked, the reply, the log, the metric and the line in
// the access log have one word, over both protocols.
func TestOneWordForEachReason(t *testing.T) {
	provoked := make(map[codec.Reason]bool)
	for _, p := range provocations {
		provoked[p.reason] = true
		for _, protocol := range protocols {
			if p.protocols == "" || p.protocols == protocol {
				t.Run(p.reason.String()+" "+protocol, func(t *testing.T) { p.run(t, protocol) })
			}
		}
	}
	for r := codec.ReasonNone + 1; r < codec.ReasonCount; r++ {
		if provoked[r] == (elsewhere[r] != "") {
			t.Errorf("%v must either be provoked or stand in the list of those that are not", r)
		}
	}
}

func (p *provocation) run(t *testing.T, protocol string) {
	host := p.host
	if host == nil {
		host = func(t *testing.T, protocol string) string { return startCounted(t, protocol).address }
	}
	h := hop{name: "in", listen: "127.0.0.1:0", down: protocol, up: protocol, hosts: []string{host(t, protocol)}}
	if p.edit != nil {
		p.edit(&h)
	}
	if p.filters != "" {
		h.listenerKV = `, "stream_filters": [` + p.filters + `]`
	}
	log, access := filepath.Join(t.TempDir(), "log"), filepath.Join(t.TempDir(), "access.log")
	h.listenerKV += `, "access_logs": [{"log_path": "` + access + `", "json_format": {"reason": "%reason%", "flag": "%response_flag%"}}]`
	text := strings.Replace(configOf(h), `"default_log_path": "stderr", "default_log_level": "ERROR"`, `"default_log_path": "`+log+`", "default_log_level": "DEBUG"`, 1)
	if p.limits != "" {
		text = limited(p.limits, text)
	}
	if strings.Contains(h.route, "cluster_header") {
		text = strings.Replace(text, `"cluster_name": "in", "cluster_header"`, `"cluster_header"`, 1)
	}
	word := p.reason.String()
	t.Cleanup(func() { // when the proxy has ended, and written all its lines
		b, _ := os.ReadFile(access)
		if logged := strings.Contains(string(b), `{"reason":"`+word+`",`); logged != (p.unlogged == "") {
			t.Errorf("the access log says %q", b)
		}
	})
	o := operate(t, text)
	ask := p.ask
	if ask == nil {
		ask = askOnce
	}
	if got := ask(t, o, protocol); got != word {
		t.Errorf("the reply says %q", got)
	}
	eventually(t, "the log says "+word, func() bool {
		b, _ := os.ReadFile(log)
		return strings.Contains(string(b), "reason="+word+" ")
	})
	eventually(t, "the metric says "+word, func() bool {
		return valueOf(series(o.scrape(), "sideloop_listener_requests_failed_total", "listener", "in", "reason", word)) >= 1
	})
}
