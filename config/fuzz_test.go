// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse: whatever the bytes, Parse ends, its problems point into the file
// and are in order, and there is a Config exactly when there is no error.
func FuzzParse(f *testing.F) {
	inputs, err := filepath.Glob("testdata/check/*.*")
	if err != nil || len(inputs) == 0 {
		f.Fatalf("found no inputs: %v", err)
	}
	for _, input := range append(inputs, seed) {
		if filepath.Ext(input) == ".want" {
			continue
		}
		data, err := os.ReadFile(input)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(isYAML(input), data)
	}
	f.Fuzz(func(t *testing.T, yaml bool, data []byte) {
		name := "fuzz.json"
		if yaml {
			name = "fuzz.yaml"
		}
		c, problems := Parse(name, data)
		if (c == nil) != problems.HasErrors() {
			t.Fatalf("config is nil: %v; errors: %v", c == nil, problems.HasErrors())
		}
		checkProblems(t, name, data, problems)
		if c != nil {
			checkConfig(t, c)
		}
		again, _ := Parse(name, data)
		if !reflect.DeepEqual(c, again) {
			t.Fatalf("the second result differs: %+v and %+v", c, again)
		}
	})
}

func checkProblems(t *testing.T, name string, data []byte, problems Problems) {
	t.Helper()
	text := strings.ToValidUTF8(string(data), "\ufffd")
	lines := strings.Split(text, "\n")
	limit := len(lines)
	if isYAML(name) {
		// YAML has more kinds of line ends.
		limit += strings.Count(text, "\r") + strings.Count(text, "\u0085") + strings.Count(text, "\u2028") + strings.Count(text, "\u2029")
	}
	for _, p := range problems {
		if p.File != name || p.Message == "" || int(p.Severity) >= len(severityNames) {
			t.Fatalf("incomplete problem %+v", p)
		}
		if p.Line < 0 || p.Line > limit || (p.Line == 0) != (p.Column == 0) {
			t.Fatalf("%v: line %d of %d", p, p.Line, limit)
		}
		if !isYAML(name) && p.Line > 0 && p.Column > utf8.RuneCountInString(lines[p.Line-1])+1 {
			t.Fatalf("%v: column %d of line %q", p, p.Column, lines[p.Line-1])
		}
		if strings.ContainsAny(p.String(), "\n\r") || !utf8.ValidString(p.String()) {
			t.Fatalf("problem is not one line of text: %q", p.String())
		}
	}
	if !slices.IsSortedFunc(problems, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	}) && len(problems) < problemLimit {
		t.Fatalf("problems are not in order: %v", problems)
	}
}

// checkConfig holds what the other packages rely on.
func checkConfig(t *testing.T, c *Config) {
	t.Helper()
	if c.Server.LogPath == "" || c.Server.LogLevel == "" || c.Server.GracefulTimeout <= 0 || c.Server.Processor < 0 {
		t.Fatalf("server without defaults: %+v", c.Server)
	}
	for _, l := range c.Server.Listeners {
		if l.Name == "" || l.Address == "" || len(l.Proxy.Downstream) == 0 || slices.Contains(l.Proxy.Downstream, ProtocolSame) {
			t.Fatalf("incomplete listener: %+v", l)
		}
	}
	routers := map[string]bool{}
	for _, r := range c.Server.Routers {
		if routers[r.Name] {
			t.Fatalf("router %q twice", r.Name)
		}
		routers[r.Name] = true
	}
	for _, k := range c.Clusters {
		if k.Name == "" || k.Type == "" || k.ConnectTimeout <= 0 {
			t.Fatalf("incomplete cluster: %+v", k)
		}
		for _, h := range k.Hosts {
			if h.Address == "" || h.Weight < weightMin || h.Weight > weightMax {
				t.Fatalf("incomplete host: %+v", h)
			}
		}
	}
}
