// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bufio"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sideloop/sideloop/server"
)

// failuresShown is how many failed requests are in the overview; /failures has
// all that are remembered.
const failuresShown = 120

// failureReport is one failed request.
type failureReport struct {
	At       float64 `json:"at"`
	Reason   string  `json:"reason"`
	Text     string  `json:"text"`
	Listener string  `json:"listener"`
	Cluster  string  `json:"cluster,omitempty"`
	Host     string  `json:"host,omitempty"`
	Client   string  `json:"client"`
	Protocol string  `json:"protocol"`
	Upstream string  `json:"upstream_protocol,omitempty"`
	// Request is method and path, or service and method; what is not printable
	// is escaped as in Go.
	Request string `json:"request"`
	Retries int    `json:"retries"`
	// Duration is all of the three that follow.
	Duration float64 `json:"duration_seconds"`
	Waiting  float64 `json:"waiting_seconds"`
	ForReply float64 `json:"upstream_seconds"`
	Reply    float64 `json:"reply_seconds"`
}

func reportFailures(s *server.Sample, most int) []failureReport {
	all := []failureReport{}
	for i := range s.Failures[:min(most, len(s.Failures))] {
		all = append(all, reportFailure(&s.Failures[i]))
	}
	return all
}

func reportFailure(f *server.Failure) failureReport {
	r := failureReport{
		At: unix(f.At), Reason: f.Reason.String(), Text: f.Reason.Text(), Listener: f.Listener, Cluster: f.Cluster, Host: f.Host,
		Protocol: f.From.String(), Request: printable(f.Request()), Retries: f.Tries,
		Duration: (f.Waiting + f.Upstream + f.Reply).Seconds(),
		Waiting:  f.Waiting.Seconds(), ForReply: f.Upstream.Seconds(), Reply: f.Reply.Seconds(),
	}
	if f.Client != nil {
		r.Client = f.Client.String()
	}
	if f.Cluster != "" {
		r.Upstream = f.To.String()
	}
	return r
}

// printable escapes what a terminal or a page could take for more than text.
func printable(text string) string {
	quoted := strconv.QuoteToGraphic(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// failures lists what is remembered of failed requests, the last one first.
func (a *admin) failures(w http.ResponseWriter, q *http.Request) {
	s := a.control.Sample()
	reports := reportFailures(s, len(s.Failures))
	if q.URL.Query().Get("format") == "json" {
		writeJSON(w, map[string]any{"failures": reports})
		return
	}
	out := bufio.NewWriter(w)
	for i, r := range reports {
		f := &s.Failures[i]
		fmt.Fprintf(out, "%s %s listener=%s cluster=%s host=%s client=%s protocol=%s request=%q retries=%d waiting=%v upstream=%v reply=%v\n",
			f.At.UTC().Format(time.RFC3339Nano), r.Reason, r.Listener, r.Cluster, r.Host, r.Client, r.Protocol, f.Request(), r.Retries, f.Waiting, f.Upstream, f.Reply)
	}
	_ = out.Flush() // an error is the client's, who has left
}
