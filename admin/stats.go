// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bufio"
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"github.com/sideloop/sideloop/stats"
)

// quantiles are what /stats tells of a histogram.
var quantiles = []float64{0.5, 0.9, 0.99, 0.999}

// stats lists every value in the manner of Envoy: name, colon, number. The text
// goes out as it is made.
func (a *admin) stats(w http.ResponseWriter, q *http.Request) {
	query := q.URL.Query()
	switch query.Get("format") {
	case "prometheus":
		a.metrics.serve(w, q)
		return
	case "", "text":
	default:
		http.Error(w, "format must be text or prometheus", http.StatusBadRequest)
		return
	}
	filter, err := regexp.Compile(query.Get("filter"))
	if err != nil {
		http.Error(w, "filter: "+err.Error(), http.StatusBadRequest)
		return
	}
	out := bufio.NewWriter(w)
	show := func(f *family, value float64, h *stats.Histogram, labels ...string) {
		key := f.key(labels)
		if !filter.MatchString(key) {
			return
		}
		if h == nil {
			fmt.Fprintf(out, "%s: %s\n", key, strconv.FormatFloat(value, 'f', -1, 64))
			return
		}
		fmt.Fprintf(out, "%s: count=%d sum=%v", key, h.Count(), h.Sum())
		for _, p := range quantiles {
			fmt.Fprintf(out, " p%v=%v", strconv.FormatFloat(100*p, 'f', -1, 64), h.Quantile(p))
		}
		fmt.Fprintln(out)
	}
	s := a.control.Sample()
	a.visit(s, show)
	if flag(q, "hosts") {
		a.visitHosts(s, show)
	}
	_ = out.Flush() // an error is the client's, who has left
}
