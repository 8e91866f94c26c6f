// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sideloop/sideloop/server"
)

// perLine is how many bytes a line of a dump has.
const perLine = 16

// errorReport is one malformed message.
type errorReport struct {
	At        float64 `json:"at"`
	Protocol  string  `json:"protocol"`
	Direction string  `json:"direction"` // "downstream" from a client, "upstream" from a host
	Listener  string  `json:"listener,omitempty"`
	Cluster   string  `json:"cluster,omitempty"`
	Peer      string  `json:"peer"`
	Reason    string  `json:"reason"`
	Count     uint64  `json:"count"`
	Size      int     `json:"size"`
	Offset    int     `json:"offset"`
	From      int     `json:"from"`
	// Bytes is in hexadecimal, with ".." for a byte that is not shown.
	Bytes string `json:"bytes"`
}

// errors lists the latest malformed messages, one for each loop, protocol and
// direction, in the manner of HAProxy. Only what belongs to the protocol itself
// is shown of them, since headers and bodies hold secrets, and a message that is
// malformed cannot be parsed to leave them out. The rest is there for those who
// ask for it by values, and only on the loopback.
func (a *admin) errors(w http.ResponseWriter, q *http.Request) {
	values := flag(q, "values")
	if values && !a.local {
		http.Error(w, "headers and bodies are shown on the loopback only", http.StatusForbidden)
		return
	}
	found := a.control.Sample().Malformed
	if q.URL.Query().Get("format") == "json" {
		reports := []errorReport{}
		for i := range found {
			reports = append(reports, reportError(&found[i], values))
		}
		writeJSON(w, map[string]any{"errors": reports})
		return
	}
	out := bufio.NewWriter(w)
	if len(found) == 0 {
		fmt.Fprintln(out, "no message has broken its protocol since the start")
	}
	for i := range found {
		writeError(out, &found[i], values)
	}
	_ = out.Flush() // an error is the client's, who has left
}

func reportError(m *server.Malformed, values bool) errorReport {
	r := errorReport{
		At: unix(m.Time), Protocol: m.Protocol.String(), Direction: "downstream", Listener: m.Listener, Cluster: m.Cluster,
		Reason: m.Word, Count: m.Count, Size: m.Size, Offset: m.Offset, From: m.From,
	}
	if m.Upstream {
		r.Direction = "upstream"
	}
	if m.Peer != nil {
		r.Peer = m.Peer.String()
	}
	var text strings.Builder
	for i, b := range m.Bytes() {
		if shown(m, i, values) {
			fmt.Fprintf(&text, "%02x", b)
		} else {
			text.WriteString("..")
		}
	}
	r.Bytes = text.String()
	return r
}

// shown tells whether the byte at i of what is kept may be seen.
func shown(m *server.Malformed, i int, values bool) bool { return values || m.From+i < m.Clear }

func writeError(out io.Writer, m *server.Malformed, values bool) {
	r := reportError(m, values)
	of := "client " + r.Peer + ", listener " + r.Listener
	if m.Upstream {
		of = "host " + r.Peer + ", cluster " + r.Cluster
	}
	fmt.Fprintf(out, "[%s] %s from %s: %s, wrong at offset %d of %d bytes at hand; number %d of its kind on its loop\n",
		m.Time.UTC().Format(time.RFC3339Nano), r.Protocol, of, r.Reason, r.Offset, r.Size, r.Count)
	bytes := m.Bytes()
	for from := 0; from < len(bytes); from += perLine {
		line := bytes[from:min(from+perLine, len(bytes))]
		mark := ' '
		if at := m.Offset - m.From - from; at >= 0 && at < len(line) {
			mark = '>'
		}
		fmt.Fprintf(out, "%c %05d  ", mark, m.From+from)
		var text strings.Builder
		for i := range perLine {
			switch {
			case i >= len(line):
				fmt.Fprint(out, "   ")
				continue
			case !shown(m, from+i, values):
				fmt.Fprint(out, ".. ")
				text.WriteByte(' ')
			default:
				fmt.Fprintf(out, "%02x ", line[i])
				text.WriteByte(ascii(line[i]))
			}
			if i == perLine/2-1 {
				fmt.Fprint(out, " ")
			}
		}
		fmt.Fprintf(out, " |%s|\n", text.String())
	}
	if left := r.Size - m.From - len(bytes); left > 0 {
		fmt.Fprintf(out, "  and %d more bytes that are not kept\n", left)
	}
	if !values && m.From+len(bytes) > m.Clear {
		fmt.Fprintln(out, "  headers and bodies are left out, as they may hold secrets; ?values=true shows them, on the loopback")
	}
	fmt.Fprintln(out)
}

// ascii is a byte as text, a dot for what is not printable.
func ascii(b byte) byte {
	if b < ' ' || b > '~' {
		return '.'
	}
	return b
}
