// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"
	"strings"
)

// headerChanges reads the four lists of a level.
func (v view) headerChanges() HeaderChanges {
	return HeaderChanges{
		Request: HeaderEdits{v.headersToAdd("request_headers_to_add", inRequest), v.headersToRemove("request_headers_to_remove")},
		Reply:   HeaderEdits{v.headersToAdd("response_headers_to_add", inReply), v.headersToRemove("response_headers_to_remove")},
	}
}

func (v view) headersToAdd(name string, where scope) []HeaderAdd {
	var list []HeaderAdd
	for _, entry := range v.children(name) {
		h := entry.child("header")
		if h.n == nil {
			entry.errorf("header", "a header to add needs this key")
			continue
		}
		at, path := h.at("key")
		add := HeaderAdd{Name: strings.ToLower(h.text("key")), Value: h.template("value", where), Append: entry.flag("append")}
		v.c.changeable(at, path, add.Name)
		if strings.ContainsFunc(add.Value, control) {
			h.errorf("value", "a header's value has no control characters")
		}
		list = append(list, add)
	}
	return list
}

func (v view) headersToRemove(name string) []string {
	var list []string
	for _, t := range v.texts(name) {
		header := strings.ToLower(t.text)
		v.c.changeable(t.position, t.path, header)
		list = append(list, header)
	}
	return list
}

func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// tokenBytes are what names of headers consist of (RFC 9110, 5.6.2).
const tokenBytes = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// connectionHeaders are of a connection or of the message's framing, which a
// route must not change.
var connectionHeaders = []string{"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te", "content-length"}

// changeable reports a header that cannot be added or removed.
func (c *checker) changeable(at position, path, name string) {
	switch {
	case name == "": // required, or reported
	case name == ":authority" || name == "host":
		c.errorAt(at, path, "the host is not changed as a header; use host_rewrite")
	case name == ":path":
		c.errorAt(at, path, "the path is not changed as a header; use prefix_rewrite or regex_rewrite")
	case strings.Trim(name, tokenBytes) != "":
		c.errorAt(at, path, "expected the name of a header, found %q", name)
	case slices.Contains(connectionHeaders, name):
		c.errorAt(at, path, "%q belongs to the connection and cannot be changed", name)
	}
}
