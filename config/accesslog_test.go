// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestLogVariableTable holds the table to the order of the kinds, by which it is
// indexed, and its names to being told apart.
func TestLogVariableTable(t *testing.T) {
	seen := make(map[string]bool)
	for i, v := range logVariables {
		if int(v.kind) != i {
			t.Errorf("row %d is of kind %d", i, v.kind)
		}
		for _, name := range v.names {
			asked := name
			if takesArgument(name) {
				asked += "X"
			}
			if found := logVariableOf(asked); found == nil || found.Kind != v.kind || seen[name] {
				t.Errorf("%s is found as %v", asked, found)
			}
			seen[name] = true
		}
	}
}

// TestLogVariablesOfTLS: a variable of TLS has the name that routes have for it.
func TestLogVariablesOfTLS(t *testing.T) {
	for name, kind := range variableNames {
		if kind < VariableTLSVersion || kind > VariablePeerFingerprint {
			continue
		}
		v := logVariableOf(name)
		if v == nil {
			t.Errorf("%s is not known", name)
		} else if found, ok := v.Kind.TLS(); !ok || found != kind {
			t.Errorf("%s is %d, want %d", name, found, kind)
		}
	}
	if _, ok := LogPeerName.TLS(); ok {
		t.Error("routes have no first name of the peer")
	}
}

// TestMOSNVariablesAreKnown: what MOSN documents for its access logs, and its
// default formats, may stand in a file.
func TestMOSNVariablesAreKnown(t *testing.T) {
	for _, name := range strings.Fields(`start_time trace_id connection_id upstream_connection_id request_received_duration
		response_received_duration bytes_sent bytes_received protocol response_code duration response_flag upstream_local_address
		downstream_local_address downstream_remote_address upstream_host request_finished_duration process_time_duration response_flags
		upstream_transport_failure_reason upstream_cluster requested_server_name route_name request_header_x response_header_x
		Http1_request_scheme Http2_request_method Http1_request_length Http2_request_uri Http1_request_path Http2_request_path_original
		Http1_request_arg_x Http2_request_arg_x Http1_cookie_x Http2_cookie_x StartTime RequestReceivedDuration ResponseReceivedDuration
		BytesSent BytesReceived Protocol ResponseCode Duration ResponseFlag UpstreamLocalAddress DownstreamLocalAddress
		DownstreamRemoteAddress UpstreamHost REQ.key RESP.key`) {
		if logVariableOf(name) == nil {
			t.Errorf("%s is not known", name)
		}
	}
	if _, wrong := ParseLogFormat(DefaultLogFormat); wrong != "" {
		t.Errorf("the default format has %q", wrong)
	}
}

// TestLogVariablesAreDocumented holds the table in docs/ACCESS_LOG.md to the one
// here; make docs writes it.
func TestLogVariablesAreDocumented(t *testing.T) {
	const page, begin, end = "../docs/ACCESS_LOG.md", "<!-- variables: make docs -->\n", "<!-- end -->\n"
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(b), begin)
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no place for the table", page)
	}
	want := before + begin + logVariableTable() + end + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(b) {
		t.Errorf("%s is not what the table says: run make docs", page)
	}
}

func logVariableTable() string {
	var b strings.Builder
	b.WriteString("| variable | in JSON | meaning | also |\n|---|---|---|---|\n")
	for _, v := range logVariables {
		cell := func(name string) string {
			if takesArgument(name) {
				name += "NAME"
			}
			return "`%" + name + "%`"
		}
		var also []string
		for _, name := range v.names[1:] {
			also = append(also, cell(name))
		}
		kind := "text"
		if v.number {
			kind = "number"
		} else if v.kind == LogOneWay {
			kind = "flag"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", cell(v.names[0]), kind, v.doc, strings.Join(also, " "))
	}
	return b.String()
}
