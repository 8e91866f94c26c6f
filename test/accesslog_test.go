// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sideloop/sideloop/codec"
)

// logged is a line of logFormat.
type logged struct {
	Down     string `json:"down"`
	Up       string `json:"up"`
	Code     int    `json:"code"`
	Host     string `json:"host"`
	GRPC     *int   `json:"grpc"`
	Bolt     *int   `json:"bolt"`
	Reason   string `json:"reason"`
	Flag     string `json:"flag"`
	Tries    int    `json:"tries"`
	OneWay   bool   `json:"oneway"`
	In       int    `json:"in"`
	Out      int    `json:"out"`
	UpIn     int    `json:"upin"`
	UpOut    int    `json:"upout"`
	Request  string `json:"request"`
	Bolted   string `json:"bolted"`
	Cluster  string `json:"cluster"`
	Route    string `json:"route"`
	Remote   string `json:"remote"`
	Near     string `json:"near"`
	Conn     uint64 `json:"conn"`
	UpConn   uint64 `json:"upconn"`
	Header   string `json:"header"`
	Reply    string `json:"reply"`
	Duration *float64
}

const logFormat = `"json_format": {"down": "%protocol%", "up": "%upstream_protocol%", "code": "%response_code%", "host": "%upstream_host%",
 "grpc": "%grpc_status%", "bolt": "%bolt_status%", "reason": "%reason%", "flag": "%response_flag%", "tries": "%tries%", "oneway": "%one_way%",
 "in": "%bytes_received%", "out": "%bytes_sent%", "upin": "%upstream_bytes_received%", "upout": "%upstream_bytes_sent%",
 "request": "%method% %authority% %path%", "bolted": "%service% %class%", "cluster": "%upstream_cluster%", "route": "%route_name%",
 "remote": "%downstream_remote_address%", "near": "%upstream_local_address%", "conn": "%connection_id%", "upconn": "%upstream_connection_id%",
 "header": "%request_header_X-Test%", "reply": "%response_header_X-Sideloop-Reason%", "Duration": "%duration_ms%"}`

// logging is the members of a listener with an access log.
func logging(path string) string {
	return fmt.Sprintf(`, "access_logs": [{"log_path": %q, %s}]`, path, logFormat)
}

// readLog waits for n lines of a log.
func readLog(t testing.TB, path string, n int) []logged {
	t.Helper()
	var text []byte
	eventually(t, fmt.Sprintf("%s has %d lines", path, n), func() bool {
		text, _ = os.ReadFile(path)
		return bytes.Count(text, []byte("\n")) >= n
	})
	lines := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	if len(lines) != n {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), n, text)
	}
	all := make([]logged, n)
	for i, line := range lines {
		if err := json.Unmarshal(line, &all[i]); err != nil || all[i].Duration == nil || *all[i].Duration < 0 {
			t.Fatalf("the line %s: %v", line, err)
		}
	}
	return all
}

// TestAccessLogOfConversions sends a request from each protocol to each.
func TestAccessLogOfConversions(t *testing.T) {
	bolt, h2 := startBoltService(t, "127.0.0.1:0", echoBolt), startH2Service(t, "127.0.0.1:0", echoH2)
	far := startProxy(t, configOf(hop{name: "far", listen: "127.0.0.1:0", down: "Http2", up: "SofaRpc", hosts: []string{bolt.address()}}))
	dir := t.TempDir()
	var hops []hop
	for name, h := range map[string]hop{
		"bolt": {down: "SofaRpc", up: "SofaRpc", hosts: []string{bolt.address()}}, "bolth2": {down: "SofaRpc", up: "Http2", hosts: []string{far.address("far")}},
		"h2": {down: "Http2", up: "Http2", hosts: []string{h2.address()}, match: anyRequest}, "h2bolt": {down: "Http2", up: "SofaRpc", hosts: []string{bolt.address()}},
	} {
		h.name, h.listen, h.listenerKV = name, "127.0.0.1:0", logging(filepath.Join(dir, name))
		hops = append(hops, h)
	}
	p := startProxy(t, configOf(hops...))
	for _, h := range hops {
		want := logged{Code: 200, Host: h.hosts[0], Tries: 1, In: 1000, UpOut: 1000, Out: 1000, UpIn: 1000, Cluster: h.name}
		want.Down, want.Up = map[string]string{"SofaRpc": "bolt", "Http2": "Http2"}[h.down], map[string]string{"SofaRpc": "bolt", "Http2": "Http2"}[h.up]
		var remote string
		if h.down == "SofaRpc" {
			c := dialBolt(t, p.address(h.name))
			f := newBoltRequest(service, body(1000))
			wantBoltEcho(t, f, c.mustCall(t, f))
			remote = c.conn.LocalAddr().String()
			want.Request, want.Bolted, want.Bolt = "- - -", service+" "+string(f.class), new(int)
		} else {
			r := postH2(t, newH2Client(t), p.address(h.name), body(1000), true, http.Header{"X-Test": {"a\"b"}, "Service": {service}})
			if r.status != 200 {
				t.Fatalf("%s: status %d", h.name, r.status)
			}
			want.Request, want.Bolted, want.Header = "POST "+p.address(h.name)+" /", service+" -", "a\"b"
			if h.up == "SofaRpc" {
				want.Bolt = new(int)
			}
		}
		got := readLog(t, filepath.Join(dir, h.name), 1)[0]
		if remote != "" && got.Remote != remote || got.Near == "" || got.Conn == 0 || got.UpConn == 0 || got.Route == "" {
			t.Errorf("%s: %+v", h.name, got)
		}
		if (got.Bolt == nil) != (want.Bolt == nil) || got.Bolt != nil && *got.Bolt != 0 || got.GRPC != nil {
			t.Errorf("%s: Bolt status %v, gRPC status %v", h.name, got.Bolt, got.GRPC)
		}
		got.Remote, got.Near, got.Conn, got.UpConn, got.Route, got.Duration, got.Bolt, want.Bolt = "", "", 0, 0, "", nil, nil, nil
		if got != want {
			t.Errorf("%s:\n%+v, want\n%+v", h.name, got, want)
		}
	}
}

// TestReasonIsOneWord: log, counters and reply say the same of a failure, to
// clients of either protocol.
func TestReasonIsOneWord(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	up := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		if f.get("service") == "hang" {
			<-release
		}
		return echoBolt(f)
	})
	dir := t.TempDir()
	var hops []hop
	type failure struct {
		name    string
		service string
		hop     hop
		reason  codec.Reason
		flag    string
	}
	failures := []failure{
		{"route", "other", hop{hosts: []string{up.address()}, match: `{"headers": [{"name": "service", "value": "mine"}]}`}, codec.NoRoute, "NR"},
		{"cluster", "x", hop{hosts: []string{up.address()}, route: `, "cluster_name": "nowhere"`}, codec.NoCluster, "NC"},
		{"hosts", "x", hop{}, codec.NoHealthyUpstream, "UH"},
		{"down", "x", hop{hosts: []string{freeAddress(t)}}, codec.ConnectFailed, "UF"},
		{"late", "hang", hop{hosts: []string{up.address()}, route: `, "timeout": "50ms"`}, codec.UpstreamTimeout, "UT"},
		{"denied", "x", hop{hosts: []string{up.address()}, listenerKV: `, "stream_filters": [{"type": "ip_access", "config": {"ips": [{"action": "deny", "addrs": ["127.0.0.0/8"]}]}}]`}, codec.AccessDenied, "UAEX"},
		{"fault", "x", hop{hosts: []string{up.address()}, listenerKV: `, "stream_filters": [{"type": "fault", "config": {"abort": {"status": 418, "percentage": 100}}}]`}, codec.FaultAbort, "FI"},
	}
	for _, f := range failures {
		for _, down := range []string{"SofaRpc", "Http2"} {
			h := f.hop
			h.name, h.listen, h.down, h.up = f.name+down, "127.0.0.1:0", down, "SofaRpc"
			h.listenerKV += logging(filepath.Join(dir, h.name))
			hops = append(hops, h)
		}
	}
	p := startProxy(t, configOf(hops...))
	for _, f := range failures {
		before := p.ended(f.reason)
		r := dialBolt(t, p.address(f.name+"SofaRpc")).mustCall(t, newBoltRequest(f.service, []byte("x")))
		h := postH2(t, newH2Client(t), p.address(f.name+"Http2"), []byte("x"), true, http.Header{"Service": {f.service}})
		for down, word := range map[string]string{"SofaRpc": r.get(codec.ReasonHeader), "Http2": h.header.Get(codec.ReasonHeader)} {
			l := readLog(t, filepath.Join(dir, f.name+down), 1)[0]
			if word != f.reason.String() || l.Reason != word || l.Reply != word || l.Flag != f.flag {
				t.Errorf("%s %s: the reply says %q; logged are the reason %q, the reply's %q, and %s", f.name, down, word, l.Reason, l.Reply, l.Flag)
			}
			if down == "Http2" && l.Code != h.status || down == "SofaRpc" && (l.Bolt == nil || *l.Bolt != int(r.status)) {
				t.Errorf("%s %s: %+v, the client got %d and %d", f.name, down, l, h.status, r.status)
			}
		}
		eventually(t, "both were counted", func() bool { return p.ended(f.reason) == before+2 })
	}
}

// A client that leaves is logged as counted, and so is a one-way request.
func TestAccessLogWithoutReply(t *testing.T) {
	entered, release := make(chan struct{}, 2), make(chan struct{})
	bolt := startBoltService(t, "127.0.0.1:0", func(f boltFrame) []boltFrame {
		entered <- struct{}{}
		if f.get("service") == "hang" {
			<-release
		}
		return nil
	})
	h2 := startH2Service(t, "127.0.0.1:0", func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-release
	})
	defer close(release)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	p := startProxy(t, configOf(
		hop{name: "bolt", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{bolt.address()}, listenerKV: logging(file("bolt"))},
		hop{name: "h2", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{h2.address()}, match: anyRequest, listenerKV: logging(file("h2"))},
		hop{name: "oneway", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{bolt.address()}, listenerKV: logging(file("oneway"))},
	))
	f := newBoltRequest(service, body(100))
	f.kind = kindOneWay
	if err := dialBolt(t, p.address("oneway")).send(f); err != nil {
		t.Fatal(err)
	}
	<-entered
	if l := readLog(t, file("oneway"), 1)[0]; !l.OneWay || l.Code != 0 || l.Reason != "" || l.In != 100 || l.UpOut != 100 || l.Bolt != nil {
		t.Errorf("one-way: %+v", l)
	}
	c := dialBolt(t, p.address("bolt"))
	if err := c.send(newBoltRequest("hang", nil)); err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := c.conn.(*net.TCPConn).SetLinger(0); err != nil { // not half-closed
		t.Fatal(err)
	}
	c.close()
	if l := readLog(t, file("bolt"), 1)[0]; l.Reason != "downstream_closed" || l.Code != 499 || p.ended(codec.DownstreamClosed) != 1 {
		t.Errorf("a client that left: %+v", l)
	}
	ctx, cancel := context.WithCancel(context.Background())
	q, err := http.NewRequestWithContext(ctx, "GET", "http://"+p.address("h2")+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-entered
		cancel()
	}()
	if _, err := newH2Client(t).Do(q); err == nil {
		t.Error("a cancelled request was answered")
	}
	if l := readLog(t, file("h2"), 1)[0]; l.Reason != "downstream_reset" || l.Code != 499 || p.ended(codec.DownstreamReset) != 1 {
		t.Errorf("a cancelled request: %+v", l)
	}
}

// A request that its session refuses by itself has a line, with what is known of it.
func TestAccessLogOfRefusals(t *testing.T) {
	dir := t.TempDir()
	bolt, h2 := filepath.Join(dir, "bolt"), filepath.Join(dir, "h2")
	p := startProxy(t, configOf(
		hop{name: "bolt", listen: "127.0.0.1:0", down: "SofaRpc", up: "SofaRpc", hosts: []string{"127.0.0.1:1"}, listenerKV: logging(bolt)},
		hop{name: "h2", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{"127.0.0.1:1"}, match: anyRequest, listenerKV: logging(h2)},
	))
	c := dialFrames(t, p.address("h2"))
	line := []string{":method", "GET", ":scheme", "http", ":path", "/a", ":authority", "b", "x-test", "seven"}
	c.send(1, true, append(line, "te", "gzip")...)
	c.wantReset()
	c.send(3, true, append(line, slices.Repeat([]string{"field", "x"}, 300)...)...)
	c.wantHeaders()
	c.send(5, true, append(line, ":path", "/again")...)
	c.wantReset()
	request := newBoltRequest(service, []byte("hunter2"))
	bad := request.encode()
	bad[22+len(request.class)] = 0x7f // the length of the first key
	conn := dial(t, p.address("bolt"))
	if _, err := conn.Write(bad); err != nil {
		t.Fatal(err)
	}
	for i, want := range []logged{
		{Reason: "protocol_error", Code: 400, Flag: "DPE", Request: "GET b /a", Header: "seven"},
		{Reason: "header_too_large", Code: 431, Flag: "DPE", Request: "GET b /a", Header: "seven"},
		{Reason: "protocol_error", Code: 400, Flag: "DPE", Request: "GET b /a"},
	} {
		got := readLog(t, h2, 3)[i]
		if got.Reason != want.Reason || got.Code != want.Code || got.Flag != want.Flag || got.Request != want.Request || got.Header != want.Header && i < 2 || got.Tries != 0 || got.Conn == 0 {
			t.Errorf("line %d is %+v, want %+v", i, got, want)
		}
	}
	if got := readLog(t, bolt, 1)[0]; got.Reason != "protocol_error" || got.Down != "bolt" || got.Conn == 0 {
		t.Errorf("the line is %+v", got)
	}
}

// Streams are counted to their last byte, and gRPC has its status in trailers.
func TestAccessLogOfStreams(t *testing.T) {
	up := startH2Service(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Grpc-Status")
		w.Header().Set("Content-Type", "application/grpc")
		for range 10 {
			w.Write(body(50_000))
			w.(http.Flusher).Flush()
		}
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Grpc-Status", "9")
	})
	path := filepath.Join(t.TempDir(), "log")
	p := startProxy(t, configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest, listenerKV: logging(path)}))
	r := postH2(t, newH2Client(t), p.address("in"), body(300_000), false, http.Header{"Content-Type": {"application/grpc"}})
	if len(r.body) != 500_000 {
		t.Fatalf("%d bytes came back", len(r.body))
	}
	l := readLog(t, path, 1)[0]
	if l.In != 300_000 || l.UpOut != 300_000 || l.Out != 500_000 || l.UpIn != 500_000 || l.GRPC == nil || *l.GRPC != 9 || l.Code != 200 || l.Reason != "" {
		t.Errorf("%+v, gRPC status %v", l, l.GRPC)
	}
}

// TestAccessLogReload changes the format and the path while requests are under
// way: each has one line, in one of the files, of one of the formats.
func TestAccessLogReload(t *testing.T) {
	up := startH2Service(t, "127.0.0.1:0", echoH2)
	dir := t.TempDir()
	shape := func(i int) string {
		kv := fmt.Sprintf(`, "access_logs": [{"log_path": %q, "log_format": "format %d %%request_header_x-test%%"}]`, filepath.Join(dir, fmt.Sprint("log", i%3/2)), i)
		return configOf(hop{name: "in", listen: "127.0.0.1:0", down: "Http2", up: "Http2", hosts: []string{up.address()}, match: anyRequest, listenerKV: kv})
	}
	p := startProxy(t, shape(0))
	address := p.address("in")
	const clients = 4
	calls := scale(50)
	var wg sync.WaitGroup
	for range clients {
		c := newH2Client(t)
		wg.Go(func() {
			for i := range calls {
				if r, err := tryH2(c, address, []byte("x"), true, http.Header{"X-Test": {fmt.Sprint(i)}}); err != nil || r.status != 200 {
					t.Errorf("status %d, %v", r.status, err)
				}
			}
		})
	}
	for i := range 4 {
		n := p.ended(codec.ReasonNone)
		eventually(t, "calls go on", func() bool { now := p.ended(codec.ReasonNone); return now > n || now >= uint64(clients*calls) })
		if _, err := p.tryReload(shape(i + 1)); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if _, err := p.tryReload(strings.Replace(shape(9), "log0", "log0/not/a/directory", 1)); err == nil {
		t.Error("a path that cannot be opened was taken")
	}
	seen := make(map[string]int)
	eventually(t, "all lines are there", func() bool {
		clear(seen)
		n := 0
		for _, name := range []string{"log0", "log1"} {
			text, _ := os.ReadFile(filepath.Join(dir, name))
			for line := range strings.Lines(string(text)) {
				seen[strings.Join(strings.Fields(line)[:2], " ")]++
				n++
			}
		}
		return n == clients*calls
	})
	if len(seen) < 2 {
		t.Errorf("all lines are of %v", seen)
	}
}

// TestAccessLogRotation renames the log of a process under load and has it opened
// again, by the signal and by the admin server. At the end nothing is missing.
func TestAccessLogRotation(t *testing.T) {
	up := startBoltService(t, "127.0.0.1:0", echoBolt)
	path := filepath.Join(t.TempDir(), "access.log")
	in, admin := freeAddress(t), freeAddress(t)
	text := withAdmin(configOf(hop{name: "in", listen: in, down: "SofaRpc", up: "SofaRpc", hosts: []string{up.address()}, listenerKV: logging(path)}), admin, filepath.Join(t.TempDir(), "pid"))
	p := startProcess(t, in, "-c", writeConfig(t, text))
	p.address = admin
	const rounds, calls = 4, 100
	c := dialBolt(t, in)
	var files []string
	for i := range rounds {
		var wg sync.WaitGroup
		wg.Go(func() {
			for range calls {
				if _, err := c.call(newBoltRequest(service, nil)); err != nil {
					t.Error(err)
				}
			}
		})
		files = append(files, fmt.Sprintf("%s.%d", path, i))
		if err := os.Rename(path, files[i]); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			p.post("/logging/reopen")
		} else {
			p.signal(syscall.SIGUSR1)
		}
		eventually(t, "the log is there again", func() bool { _, err := os.Stat(path); return err == nil })
		wg.Wait()
	}
	r, err := adminClient.Get("http://" + admin + "/metrics")
	if err != nil {
		t.Fatalf("%v: %s", err, p.out)
	}
	metrics, err := io.ReadAll(r.Body)
	r.Body.Close()
	if got := string(metrics); err != nil || !strings.Contains(got, `sideloop_access_log_lines_dropped_total{path="`+path+`"} 0`) {
		t.Error("the metrics have no access log")
	}
	p.signal(syscall.SIGTERM)
	p.wantEnd()
	n := 0
	for _, name := range append(files, path) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(b, []byte("\n"))
	}
	if n != rounds*calls {
		t.Errorf("%d lines of %d requests", n, rounds*calls)
	}
}
