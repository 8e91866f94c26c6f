// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sideloop/sideloop/bench/load"
	"github.com/sideloop/sideloop/bench/result"
)

func TestRun(t *testing.T) {
	address := startServe(t, "127.0.0.1:0")
	dir := t.TempDir()
	file, page := filepath.Join(dir, "r.json"), filepath.Join(dir, "r.html")
	code, out, err := loopbench(t, "run", address, "--count", "1000", "-c", "2", "-m", "4", "--warm-up", "0s", "--body", "100",
		"--header", "k: v", "--name", "mine", "--pid", fmt.Sprint(os.Getpid()), "--json", file, "--html", page,
		"--fail-if", "errors>0", "--fail-if", "p99>1000s")
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, err)
	}
	for _, want := range []string{
		"load       bolt to " + address + ", closed loop, 2 connections with 4 in flight, 100 byte body\n",
		"requests   1,000 in ", "errors     none\n", "latency    p50 ", "  p99.9 ", "  max ", "content    97.7 KiB sent, 97.7 KiB read\n",
		"generator  ", " busy, ", "target     ", " per request, ", "errors>0 does not hold: errors is 0\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	r, problem := result.Read(file)
	if problem != nil || r.Requests != 1000 || r.Name != "mine" || r.Command.Headers[0] != "k: v" {
		t.Errorf("%+v, %v", r, problem)
	}
	if b, problem := os.ReadFile(page); problem != nil || !bytes.Contains(b, []byte("<svg")) {
		t.Errorf("the page has no chart: %v", problem)
	}
}

func TestRunFailures(t *testing.T) {
	address := startServe(t, "127.0.0.1:0")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	for _, c := range []struct {
		name string
		args string
		code int
		want string
	}{
		{"no target", "run", exitUsage, "<target>"},
		{"bad protocol", "run " + address + " --protocol spdy", exitUsage, `"spdy" is not one of bolt, boltv2, http2, grpc`},
		{"target down", "run " + l.Addr().String(), exitFail, "connection refused"},
		{"unwritable", "run " + address + " --json /nowhere/x.json", exitFail, "/nowhere/x.json"},
		{"bad threshold", "run " + address + " --fail-if p99", exitFail, "want METRIC OP VALUE"},
		{"bad reply", "run " + address + " --reply some", exitFail, `--reply "some"`},
		{"no connections", "run " + address + " -c 0", exitFail, "more than 0"},
		{"no time", "run " + address + " --timeout 0s", exitFail, "more than 0"},
		{"no service", "serve --address 127.0.0.1:0 --stall 1s", exitUsage, "EVERY=10s,FOR=100ms"},
		{"no loops", "serve --address 127.0.0.1:0 --loops 0", exitFail, "at least 1"},
		{"threshold crossed", "run " + address + " -n 10 --warm-up 0s --fail-if requests<11", exitFail, "--fail-if requests<11 holds: requests is 10"},
		{"wrong replies", "run " + address + " -n 10 --warm-up 0s --reply 7", exitFail, "no request was answered right"},
		{"impossible rate", "run " + address + " -c 1 -m 1 --rate 5000000 --duration 50ms --warm-up 0s", exitFail, "the result is invalid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, err := loopbench(t, strings.Fields(c.args)...)
			if code != c.code || !strings.Contains(err, c.want) {
				t.Errorf("exit code %d, want %d: %q, want %q", code, c.code, err, c.want)
			}
		})
	}
}

// An interrupt keeps what there is, marked as partial, and is a failure.
func TestRunInterrupted(t *testing.T) {
	address := startServe(t, "127.0.0.1:0")
	file := filepath.Join(t.TempDir(), "r.json")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	// The first line of progress of the measured time interrupts.
	said := &interrupter{when: "1s", cancel: cancel}
	code := run(ctx, []string{"run", address, "--duration", "1h", "--warm-up", "0s", "--json", file}, &out, said)
	if code != exitFail || !strings.Contains(said.String(), "the result is partial: interrupted") {
		t.Errorf("exit code %d: %s", code, said)
	}
	if !strings.HasPrefix(out.String(), "PARTIAL    interrupted") || !strings.Contains(out.String(), "latency    p50 ") {
		t.Errorf("printed:\n%s", &out)
	}
	if r, err := result.Read(file); err != nil || r.Partial != "interrupted" || r.Requests == 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// interrupter is a buffer that cancels when a line begins as expected.
type interrupter struct {
	bytes.Buffer
	when   string
	cancel func()
}

func (i *interrupter) Write(b []byte) (int, error) {
	if strings.HasPrefix(string(b), i.when) {
		i.cancel()
	}
	return i.Buffer.Write(b)
}

func TestSummary(t *testing.T) {
	r := &result.Result{
		Partial: "interrupted", Invalid: "the generator slept", Elapsed: 2, Requests: 3000,
		Errors:  map[string]uint64{"timeout": 7, "http_503": 20, "connection_lost": 7},
		Latency: result.NewHistogram(), Service: result.NewHistogram(), Delay: result.NewHistogram(),
		Command:  result.Command{Target: "t:1", Protocol: "http2", Connections: 3, InFlight: 2, BodyBytes: 5, Rate: 1500},
		Schedule: &result.Schedule{Due: 3034, Sent: 3030, LateShare: 0.025, LateBy: 1e6, Lateness: result.NewHistogram()},
		Steal:    0.0412,
	}
	r.Schedule.Lateness.Record(50_000)
	for i := range int64(1000) {
		r.Latency.Record(i * 1000)
		r.Service.Record(i * 500)
	}
	var b bytes.Buffer
	printSummary(&b, r)
	want := `PARTIAL    interrupted: the figures are of the time before
INVALID    the generator slept
load       http2 to t:1, 1,500/s open loop, 3 connections with 2 in flight, 5 byte body
requests   3,000 in 2s, 1,500/s
errors     34 (1.12 %): http_503 20, connection_lost 7, timeout 7
latency    p50 499 µs  p90 899 µs  p99 989 µs?  p99.9 998 µs?  max 999 µs?
service    p50 250 µs  p90 450 µs  p99 495 µs  p99.9 499 µs  max 500 µs
delay      none
schedule   3,034 due, 3,030 sent, 2.50 % noticed more than 1.00 ms late
lateness   p50 50.0 µs  p90 50.0 µs  p99 50.0 µs  p99.9 50.0 µs  max 50.0 µs
?          the generator noticed 2.50 % of the requests more than 1.00 ms after they were due, while the host took 4.12 % of the machine's CPU time away (steal): what is beyond p97.5 is not the target's alone
content    0 B sent, 0 B read
generator  0 % busy, 0.00 s user, 0.00 s system
machine    4.12 % of its CPU time was the host's for others (steal)
`
	if b.String() != want {
		t.Errorf("printed:\n%s\nwant:\n%s", &b, want)
	}
}

// A threshold on what the generator was too late to tell fails as that, and one
// on what is left is decided.
func TestVerdictOfALateRun(t *testing.T) {
	r := &result.Result{Requests: 1000, Elapsed: 1, Latency: result.NewHistogram(), Schedule: &result.Schedule{LateShare: 0.05}}
	r.Latency.Record(1000)
	for text, want := range map[string]string{"p99>1s": "--fail-if p99>1s cannot be told: p99 is 1.02 µs, but the generator", "p90>1s": ""} {
		threshold, err := result.ParseThreshold(text)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		got := verdict(&b, r, []result.Threshold{threshold})
		if (got == nil) != (want == "") || got != nil && !strings.HasPrefix(got.Error(), want) {
			t.Errorf("%s: %v, want %q", text, got, want)
		}
	}
}

func progress(elapsed time.Duration, warming bool) load.Progress {
	return load.Progress{
		Elapsed: elapsed, Total: 10 * time.Second, Requests: 100, Errors: 2, Done: 102, RateNow: 1234, P50: 50_000, P99: 1_500_000, Warming: warming,
	}
}

func TestPlainProgress(t *testing.T) {
	var b bytes.Buffer
	v := newLiveView(&b, 0)
	for i := range 8 {
		v.show(progress(time.Duration(i)*200*time.Millisecond, true))
	}
	for i := range 12 {
		v.show(progress(time.Duration(i)*200*time.Millisecond, false))
	}
	v.clear()
	want := `warm-up 1s  1,234/s  p50 50.0 µs  p99 1.50 ms
1s  1,234/s  p50 50.0 µs  p99 1.50 ms  errors 2
2s  1,234/s  p50 50.0 µs  p99 1.50 ms  errors 2
`
	if b.String() != want {
		t.Errorf("printed:\n%s\nwant:\n%s", &b, want)
	}
}

// In a terminal one line is rewritten, and never longer than the terminal is
// wide.
func TestLiveProgress(t *testing.T) {
	control, terminal := openTerminal(t)
	read := make(chan string)
	go func() {
		b := make([]byte, 4096)
		for got := ""; ; {
			n, err := control.Read(b)
			got += string(b[:n])
			if err != nil || strings.HasSuffix(got, "end") {
				read <- got
				return
			}
		}
	}()
	v := newLiveView(terminal, 200)
	v.show(progress(0, true))
	v.show(progress(5*time.Second, false))
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 10, Col: 20}); err != nil {
		t.Fatal(err)
	}
	v.show(progress(9*time.Second, false))
	v.clear()
	_, _ = terminal.WriteString("end")
	const rewrite = "\r\x1b[K"
	want := rewrite + "░░░░░░░░░░░░░░░░ warm-up  1,234/s  p50 50.0 µs  p99 1.50 ms" +
		rewrite + "████████░░░░░░░░ 5.0s  1,234/s  p50 50.0 µs  p99 1.50 ms  errors 2" +
		rewrite + "██████████████░░ 9." + rewrite + "end"
	if got := <-read; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}

// openTerminal opens a pseudo-terminal.
func openTerminal(t *testing.T) (control, terminal *os.File) {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = control.Close() })
	if err := unix.IoctlSetPointerInt(int(control.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(control.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return control, terminal
}
