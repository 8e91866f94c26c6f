// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity is the class of a Problem.
type Severity uint8

const (
	// Error keeps the proxy from starting.
	Error Severity = iota
	// Warning is worth a line in the log.
	Warning
	// UnknownKey fails a check and is a warning at start.
	UnknownKey
)

var severityNames = [...]string{Error: "error", Warning: "warning", UnknownKey: "unknown key"}

// String is the word that stands in a Problem's line.
func (s Severity) String() string {
	if int(s) >= len(severityNames) {
		return "invalid severity"
	}
	return severityNames[s]
}

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Severity Severity
	// File is the name given to Load or Parse, or the file of a directory that
	// the configuration names.
	File string
	// Line and Column count from 1; a column is a character. Both are 0 when
	// the problem is the file itself.
	Line, Column int
	// Path leads from the file's top to the value, as in
	// servers[0].listeners[1].address. It is empty for the top itself and for
	// text that could not be parsed.
	Path string
	// Message says what was found and what was expected.
	Message string
	// Suggestion is the nearest valid name, if one is near.
	Suggestion string
}

// String is the problem as one line.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	fmt.Fprintf(&b, ": %s: ", p.Severity)
	if p.Path != "" {
		b.WriteString(p.Path)
		b.WriteString(": ")
	}
	b.WriteString(p.Message)
	if p.Suggestion != "" {
		fmt.Fprintf(&b, " (did you mean %q?)", p.Suggestion)
	}
	return b.String()
}

// Problems is everything found in one configuration, ordered by position; the
// file itself comes before the files that it names.
type Problems []Problem

// HasErrors tells whether the proxy must not start.
func (ps Problems) HasErrors() bool { return ps.has(Error) }

// FailCheck tells whether a check of the file fails: on errors and on unknown
// keys.
func (ps Problems) FailCheck() bool { return ps.has(Error) || ps.has(UnknownKey) }

func (ps Problems) has(s Severity) bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return p.Severity == s })
}

// sort orders by file, main first, then by position. Problems at one position
// stay in the order in which they were found.
func (ps Problems) sort(main string) {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if a.File != b.File {
			if a.File == main {
				return -1
			}
			if b.File == main {
				return 1
			}
			return cmp.Compare(a.File, b.File)
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
