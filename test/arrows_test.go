// SPDX-License-Identifier: Apache-2.0

package test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sideloop/sideloop/"

// arrows says which of our packages each folder may import; a name ending in
// "/..." stands for the folder and everything below it. docs/ARCHITECTURE.md
// gives the reasons.
var arrows = map[string][]string{
	"cmd/sideloop":      {"admin", "config", "handover", "server"},
	"cmd/loopbench":     {"bench/..."},
	"admin":             {"cluster", "codec", "config", "server", "stats"},
	"server":            {"accesslog", "cluster", "cluster/discovery", "cluster/health", "cluster/tally", "codec/...", "config", "eventloop", "handover", "overload", "pipeline", "pipeline/filter/...", "pipeline/router", "stats", "tracing"},
	"pipeline":          {"cluster", "codec", "config", "eventloop", "overload", "pipeline/convert", "pipeline/filter", "pipeline/router", "stats"},
	"accesslog":         {"codec", "config", "eventloop", "pipeline"},
	"pipeline/filter":   {"codec", "config"},
	"pipeline/router":   {"cluster", "codec", "config"},
	"pipeline/convert":  {"codec/..."},
	"cluster":           {"cluster/balance", "cluster/tally", "codec", "config", "eventloop", "stats"},
	"cluster/balance":   nil,
	"cluster/discovery": {"cluster", "config"},
	"cluster/health":    {"cluster/tally", "codec/...", "config"},
	"cluster/tally":     {"config", "stats"},
	"codec":             nil,
	"codec/bolt":        {"codec"},
	"codec/http2":       {"codec", "codec/http2/hpack"},
	"codec/http2/hpack": nil,
	"config":            nil,
	"eventloop":         nil,
	"handover":          nil,
	"stats":             nil,
	"overload":          nil,

	"tracing":             {"codec", "config", "eventloop", "pipeline", "pipeline/filter", "tracing/propagation"},
	"tracing/propagation": nil,

	"pipeline/filter/access":     {"codec", "config", "pipeline/filter"},
	"pipeline/filter/adaptive":   {"codec", "config", "pipeline/filter"},
	"pipeline/filter/fault":      {"codec", "config", "pipeline/filter", "pipeline/router"},
	"pipeline/filter/filtertest": {"pipeline/filter"},
	"pipeline/filter/metadata":   {"config", "pipeline/filter"},
	"pipeline/filter/payload":    {"codec", "config", "pipeline/filter"},
	"pipeline/filter/ratelimit":  {"codec", "config", "pipeline/filter"},

	"bench":          {"codec/...", "eventloop"},
	"bench/load":     {"bench", "bench/result", "codec/...", "eventloop"},
	"bench/peers":    {"bench"},
	"bench/relay":    nil,
	"bench/report":   {"bench/result"},
	"bench/result":   nil,
	"bench/suite":    {"bench", "bench/load", "bench/peers", "bench/relay", "bench/report", "bench/result"},
	"bench/sweep":    {"bench/load", "bench/result"},
	"test/authority": nil,
	"test/peer":      nil,
	"test/traffic":   {"bench/load", "bench/result"},
}

// onlyImporter names the one folder that may import a module from outside, tests
// apart.
var onlyImporter = map[string]string{
	"github.com/panjf2000/gnet": "eventloop",
	"golang.org/x/net":          "test/peer",
	"github.com/miekg/dns":      "cluster/discovery",
	"google.golang.org/grpc":    "",
	"github.com/summerwind":     "",
}

func TestImportsFollowTheArrows(t *testing.T) {
	seen := 0
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || name != ".." && strings.HasPrefix(d.Name(), ".")) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		folder := filepath.ToSlash(filepath.Dir(strings.TrimPrefix(name, "../")))
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		allowed, known := arrows[folder]
		if !known {
			t.Errorf("%s: the folder is not in the table of arrows", name)
		}
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if ours, ok := strings.CutPrefix(imported, module); ok {
				seen++
				if !mayImport(allowed, ours) {
					t.Errorf("%s imports %s", name, ours)
				}
			}
			for outside, only := range onlyImporter {
				if strings.HasPrefix(imported, outside) && folder != only {
					t.Errorf("%s imports %s", name, imported)
				}
			}
		}
		return nil
	})
	if err != nil || seen == 0 {
		t.Fatalf("%d imports seen, %v", seen, err)
	}
}

func mayImport(allowed []string, imported string) bool {
	for _, a := range allowed {
		below, deep := strings.CutSuffix(a, "/...")
		if a == imported || deep && (imported == below || strings.HasPrefix(imported, below+"/")) {
			return true
		}
	}
	return false
}
