// SPDX-License-Identifier: Apache-2.0

package config

import (
	"regexp"
	"strings"
)

// match takes the first of prefix, path and regex, as MOSN does, and all of the
// lists.
func (b *builder) match(v view) Match {
	m := Match{Path: b.place(v), Headers: b.headerMatches(v), Query: v.comparisons("query_parameters"), Variables: v.variableMatches()}
	kinds := []struct {
		key  string
		kind MatchKind
		to   *string
	}{{"prefix", MatchPrefix, &m.Prefix}, {"path", MatchPath, &m.PathExact}, {"regex", MatchRegex, &m.Regex}}
	chosen := ""
	for _, k := range kinds {
		s := v.text(k.key)
		switch {
		case s == "":
		case chosen != "":
			v.warnf(k.key, "not compared, because the match has a %s", chosen)
		default:
			chosen, m.Kind, *k.to = k.key, k.kind, s
		}
	}
	if m.Regex != "" {
		v.expression("regex", m.Regex)
	}
	return m
}

// headerMatches reads the headers of a match. A "service" that is all there is
// in a match is MOSN's RPC rule, which compares text whatever "regex" says.
func (b *builder) headerMatches(v view) []HeaderMatch {
	headers := v.children("headers")
	if len(headers) == 1 && v.given("query_parameters", "variables") == 0 && v.text("prefix") == "" && v.text("path") == "" && v.text("regex") == "" {
		h := headers[0]
		if h.text("name") == "service" && h.given("prefix_match", "suffix_match", "present_match", "range_match", "invert_match") == 0 {
			if h.flag("regex") {
				h.warnf("regex", "the value is compared as it is, or is any with \".*\": MOSN knows no expressions where \"service\" is the only condition")
			}
			return []HeaderMatch{{Name: "service", Value: h.text("value")}}
		}
	}
	return v.comparisons("headers")
}

// comparisons reads headers or parameters to compare.
func (v view) comparisons(name string) []HeaderMatch {
	var list []HeaderMatch
	for _, h := range v.children(name) {
		list = append(list, h.comparison(name == "query_parameters"))
	}
	return list
}

// comparison reads one. Of several ways to compare, Envoy's come before MOSN's.
// A parameter without a value is any.
func (v view) comparison(parameter bool) HeaderMatch {
	m := HeaderMatch{Name: v.text("name"), Value: v.text("value"), Invert: v.flag("invert_match")}
	ways := []string{"prefix_match", "suffix_match", "present_match", "range_match"}
	if v.given(ways...) > 1 {
		v.c.errorAt(v.position(), v.path, "expected one of %s, found several", strings.Join(ways, ", "))
	}
	bounds := v.child("range_match")
	switch {
	case v.text("prefix_match") != "":
		m.Compare, m.Value = ComparePrefix, v.text("prefix_match")
	case v.text("suffix_match") != "":
		m.Compare, m.Value = CompareSuffix, v.text("suffix_match")
	case bounds.n != nil:
		m.Compare, m.Value = CompareRange, ""
		m.Least, m.Most = bounds.int64("start"), bounds.int64("end")
		if m.Least >= m.Most {
			v.errorf("range_match", "no number is at least %d and below %d", m.Least, m.Most)
		}
	case v.flag("present_match"), parameter && m.Value == "" && !v.flag("regex"):
		m.Compare, m.Value = ComparePresent, ""
	case v.flag("regex"):
		m.Compare = CompareRegex
		v.expression("value", m.Value)
	}
	if m.Compare != CompareExact && m.Compare != CompareRegex && v.text("value") != "" {
		v.warnf("value", "not compared, because the match has another condition")
	}
	return m
}

func (v view) variableMatches() []VariableMatch {
	var list []VariableMatch
	for _, c := range v.children("variables") {
		m := VariableMatch{Name: c.text("name"), Value: c.text("value"), Or: c.text("model") == "or"}
		c.variable("name", inMatch)
		if s := c.text("regex"); s != "" {
			m.Compare, m.Value = CompareRegex, s
			c.expression("regex", s)
		}
		list = append(list, m)
	}
	return list
}

// expressionLimit bounds one expression, whose compiled form may be 1,000 times
// as large.
const expressionLimit = 64 << 10

// expression reports text that is not a regular expression, and returns the
// number of its groups.
func (v view) expression(key, text string) (groups int) {
	if len(text) > expressionLimit {
		v.errorf(key, "a regular expression has at most %d bytes, found %d", expressionLimit, len(text))
		return 0
	}
	e, err := regexp.Compile(text)
	if err != nil {
		v.errorf(key, "invalid regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		return 0
	}
	return e.NumSubexp()
}
