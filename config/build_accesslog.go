// SPDX-License-Identifier: Apache-2.0

package config

import (
	"strconv"
	"strings"
)

// logFormatMax bounds a format, so that a line has a bounded length, too.
const logFormatMax = 8 << 10

// accessLogs reads those of a listener.
func (v view) accessLogs() []AccessLog {
	var list []AccessLog
	for _, l := range v.children("access_logs") {
		list = append(list, l.accessLog())
	}
	return list
}

func (v view) accessLog() AccessLog {
	a := AccessLog{Target: v.logTarget()}
	switch {
	case v.has("json_format") && v.text("log_format") != "":
		v.errorf("json_format", "a log has either log_format or json_format, not both")
	case v.has("json_format"):
		_, n := v.key("json_format")
		_, path := v.at("json_format")
		size := 0
		a.Fields = v.logFields(n, path, &size)
		if len(a.Fields) == 0 && n.kind == objectNode {
			v.errorf("json_format", "expected at least one key")
		}
		if size > logFormatMax {
			v.errorf("json_format", "the format has %d bytes, more than %d", size, logFormatMax)
		}
	default:
		format := v.text("log_format")
		if format == "" {
			format = DefaultLogFormat
		}
		at, path := v.at("log_format")
		a.Line = v.logFormat(at, path, format)
		if len(format) > logFormatMax {
			v.errorf("log_format", "the format has %d bytes, more than %d", len(format), logFormatMax)
		}
	}
	a.Filter = v.child("filter").logFilter()
	return a
}

// logTarget: /dev/stdout is stdout, which may be what cannot be opened, such as a
// socket.
func (v view) logTarget() string {
	path := v.text("log_path")
	switch _, n := v.key("log_path"); {
	case n == nil || n.text == "":
		v.warnf("log_path", "without a path the lines go to stdout; MOSN writes to a directory of its own")
	case path == "/dev/stdout" || path == "/dev/stderr":
		return strings.TrimPrefix(path, "/dev/")
	case strings.Contains(path, "://"):
		v.errorf("log_path", "expected stdout, stderr or the path of a file, found %q", path)
	}
	return path
}

func (v view) logFilter() LogFilter {
	f := LogFilter{OnlyFailed: v.flag("only_failed"), StatusFrom: v.integer("status_from"), Percent: 100}
	f.SlowerThan, _ = v.duration("slower_than")
	if _, n := v.key("percent"); n != nil && n.kind == numberNode {
		p, err := strconv.ParseFloat(n.text, 64)
		if err != nil || p <= 0 || p > 100 {
			v.errorf("percent", "expected more than 0 and at most 100, found %s", n.text)
		}
		f.Percent = p
	}
	return f
}

// logFormat reads a format at a place.
func (v view) logFormat(at position, path, format string) []LogSegment {
	list, wrong := ParseLogFormat(format)
	switch {
	case wrong == "%":
		v.c.errorAt(at, path, "a percent sign is not closed by another; %%%% stands for one")
	case wrong != "":
		v.c.report(Error, at, path, wrong, LogVariableNames(), "unknown variable %q", wrong)
	case strings.ContainsAny(format, "\n\r"):
		v.c.errorAt(at, path, "a format is one line, which it must not end itself")
	}
	return list
}

// logFields reads the object of a JSON format and adds its size.
func (v view) logFields(n *node, path string, size *int) []LogField {
	if n.kind != objectNode {
		v.c.errorAt(n.position, path, "expected an object of texts")
		return nil
	}
	var list []LogField
	for _, m := range n.members {
		at := joinPath(path, m.name)
		*size += len(m.name)
		f := LogField{Name: m.name}
		switch text, ok := textOf(m.value); {
		case ok:
			*size += len(text)
			f.Value = v.logFormat(m.value.position, at, text)
		case m.value.kind == objectNode:
			f.Object = v.logFields(m.value, at, size)
		default:
			v.c.errorAt(m.value.position, at, "expected a text with variables, or an object of such")
		}
		list = append(list, f)
	}
	return list
}
