// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The loops enrol connections with a pool of goroutines that lives as long
	// as the process and keeps idle workers for a while.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
		goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"))
}

// loopbench runs one command line to its end.
func loopbench(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	var outBuffer, errBuffer bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	code = run(ctx, args, &outBuffer, &errBuffer)
	return code, outBuffer.String(), errBuffer.String()
}

// startServe runs "serve" and returns its address once it has printed it.
func startServe(t *testing.T, address string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	in, out := io.Pipe()
	ended := make(chan int, 1)
	var errBuffer bytes.Buffer
	go func() {
		ended <- run(ctx, []string{"serve", "--address", address}, out, &errBuffer)
		_ = out.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != exitOK {
			t.Errorf("serve ended with %d: %s", code, &errBuffer)
		}
	})
	line, err := bufio.NewReader(in).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "serving Bolt echo on ")
	if err != nil || !ok {
		t.Fatalf("serve printed %q", line)
	}
	return address
}

func TestServeAndCall(t *testing.T) {
	address := startServe(t, "127.0.0.1:0")
	code, out, err := loopbench(t, "call", address, "--service", "a.b.C:1.0", "--body", "good day\n")
	if code != exitOK || err != "" {
		t.Fatalf("exit code %d, %s", code, err)
	}
	want := `status   0 (success)
class    com.alipay.sofa.rpc.core.response.SofaResponse
header   service = a.b.C:1.0
content  "good day\n"
length   9 bytes
time     `
	took, ok := strings.CutPrefix(out, want)
	if !ok || !regexp.MustCompile(`^[0-9.]+(µs|ms|s)\n$`).MatchString(took) {
		t.Errorf("printed:\n%s\nwant:\n%s", out, want)
	}
	if code, out, err = loopbench(t, "serve", "--address", address); code != exitFail || out != "" || !strings.Contains(err, "address already in use") {
		t.Errorf("serve on a taken address: %d, %s%s", code, out, err)
	}
}

// A server that comes up later than the caller is waited for.
func TestCallWaits(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	in, out := io.Pipe()
	type result struct {
		code int
		out  string
	}
	called := make(chan result, 1)
	go func() {
		var b bytes.Buffer
		code := run(t.Context(), []string{"call", address, "--wait", "20s"}, &b, out)
		_ = out.Close()
		called <- result{code, b.String()}
	}()
	said, err := bufio.NewReader(in).ReadString('\n')
	if err != nil || !strings.Contains(said, "waiting up to 20s for "+address) {
		t.Fatalf("said %q, %v", said, err)
	}
	startServe(t, address)
	if r := <-called; r.code != exitOK || !strings.Contains(r.out, "content  hello\n") {
		t.Fatalf("exit code %d:\n%s", r.code, r.out)
	}
}

func TestFailures(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = refusing.Close()
	for _, c := range []struct {
		name string
		args string
		code int
		want string
	}{
		{"no command", "", exitUsage, "expected one of"},
		{"unknown flag", "serve --port 1", exitUsage, "unknown flag --port"},
		{"no address", "call", exitUsage, "<address>"},
		{"address without a port", "call nowhere", exitFail, "missing port"},
		{"bad listen address", "serve --address nowhere", exitFail, "nowhere"},
		{"timeout of nothing", "call 127.0.0.1:1 --timeout 0s", exitFail, "--timeout 0s is under a millisecond"},
		{"nobody listens", "call --wait 0s " + refusing.Addr().String(), exitFail, "connection refused"},
		{"no reply", "call --timeout 20ms " + silent.Addr().String(), exitFail, "no complete reply in time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, err := loopbench(t, strings.Fields(c.args)...)
			if code != c.code || out != "" || !strings.Contains(err, c.want) || !strings.HasPrefix(err, "loopbench: ") {
				t.Fatalf("exit code %d, want %d; printed %q and %q, want %q", code, c.code, out, err, c.want)
			}
		})
	}
}

// A reply that says that the call failed is printed and is a failure.
func TestCallFailedStatus(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		request := make([]byte, 22)
		_, _ = io.ReadFull(conn, request)
		// Status 6, and a header pair with a null value.
		reply := append([]byte{1, 0, 0, 2, 1}, request[5:9]...)
		reply = append(reply, 1, 0, 6, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1, 'k', 0xff, 0xff, 0xff, 0xff)
		_, _ = conn.Write(reply)
		_, _ = io.Copy(io.Discard, conn)
	}()
	code, out, problem := loopbench(t, "call", l.Addr().String())
	if code != exitFail || !strings.Contains(problem, "the reply has status 6 (no processor)") {
		t.Errorf("exit code %d, %s", code, problem)
	}
	if !strings.Contains(out, "status   6 (no processor)\n") || !strings.Contains(out, "header   k = null\n") {
		t.Errorf("printed:\n%s", out)
	}
}

func TestHelp(t *testing.T) {
	code, out, err := loopbench(t, "call", "--help")
	if code != exitOK || err != "" || !strings.Contains(out, "--service") {
		t.Fatalf("exit code %d, %s%s", code, out, err)
	}
}
