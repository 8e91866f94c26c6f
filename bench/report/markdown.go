// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/sideloop/sideloop/bench/result"
)

// Markdown writes the suite as tables: medians with their spread and ratio,
// then peak memory and added latency where they were measured, and at the end how
// they stand to the goals.
func Markdown(w io.Writer, s Suite) error {
	b := bufio.NewWriter(w)
	_, _ = fmt.Fprintf(b, "**%s** (%s; %s)\n\n", escape(s.Title), escape(startedText(s.Started)), escape(machine(s.Environment)))
	s.markdown(b, "scenario", func(bar *Bar) string {
		text := fmt.Sprintf("%s (%s)", figure(bar.Median), rangeText(figure, bar.Min, bar.Max))
		if ratio := bar.ratio(); ratio != "" {
			text += " " + ratio
		}
		return text
	}, func(*Scenario) bool { return true })
	s.markdown(b, "peak RSS", func(bar *Bar) string {
		if bar.PeakRSS == 0 {
			return "–"
		}
		return result.Bytes.Format(bar.PeakRSS)
	}, (*Scenario).anyRSS)
	s.markdown(b, "added p50 / p90 / p99 / p99.9", func(bar *Bar) string {
		if !bar.added() {
			return "–"
		}
		var parts []string
		for _, v := range bar.latencies() {
			if math.IsNaN(v) {
				parts = append(parts, NotTold)
			} else {
				parts = append(parts, result.CPU.Format(v))
			}
		}
		return strings.Join(parts, " / ")
	}, (*Scenario).anyAdded)
	for _, name := range s.peers() {
		if why := s.missing(name); why != "" {
			_, _ = fmt.Fprintf(b, "- %s is missing: %s\n", escape(name), escape(why))
		}
	}
	for _, note := range s.Notes {
		_, _ = fmt.Fprintf(b, "- %s\n", escape(note))
	}
	if len(s.Verdicts) > 0 {
		_, _ = fmt.Fprint(b, "\n| goal | measured | limit | verdict |\n|---|---|---|---|\n")
	}
	for i := range s.Verdicts {
		v := &s.Verdicts[i]
		_, _ = fmt.Fprintf(b, "| %s | %s | %s | %s |\n", escape(v.Goal), escape(v.Measured), escape(v.Limit), v.word())
	}
	// A bufio.Writer keeps its first error.
	return b.Flush()
}

// markdown writes one table of the scenarios that have it, peers as columns.
func (s *Suite) markdown(w io.Writer, corner string, text func(*Bar) string, has func(*Scenario) bool) {
	peers := s.peers()
	var rows []string
	for i := range s.Scenarios {
		sc := &s.Scenarios[i]
		if !has(sc) {
			continue
		}
		row := "| " + escape(sc.Name)
		if corner == "scenario" {
			row += ", " + escape(sc.Unit)
		}
		for _, name := range peers {
			bar := sc.find(name)
			switch {
			case bar == nil:
				row += " | "
			case bar.Missing == NotTold:
				row += " | " + NotTold
			case bar.Missing != "":
				row += " | missing"
			default:
				row += " | " + text(bar)
			}
		}
		rows = append(rows, row+" |\n")
	}
	if len(rows) == 0 {
		return
	}
	head, line := "| "+corner, "|---"
	for _, name := range peers {
		head += " | " + escape(name)
		line += "|---"
	}
	_, _ = fmt.Fprintf(w, "%s |\n%s|\n%s\n", head, line, strings.Join(rows, ""))
}

// missing is why a peer has no figure, each reason once.
func (s *Suite) missing(name string) string {
	var reasons []string
	seen := map[string]bool{}
	for i := range s.Scenarios {
		bar := s.Scenarios[i].find(name)
		if bar != nil && bar.Missing != "" && bar.Missing != NotTold && !seen[bar.Missing] {
			seen[bar.Missing] = true
			reasons = append(reasons, bar.Missing)
		}
	}
	return strings.Join(reasons, "; ")
}

// escape keeps text from being read as Markdown or HTML, and in its cell.
func escape(text string) string {
	return markup.Replace(strings.Join(strings.Fields(text), " "))
}

var markup = strings.NewReplacer(
	`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`,
	"<", "&lt;", ">", "&gt;", "&", "&amp;",
)
