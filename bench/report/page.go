// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/sideloop/sideloop/bench/result"
)

// page is one HTML file.
type page struct {
	Title, Subtitle string
	Banners         []banner
	Tiles           []tile
	Sections        []section
	Notes           []string
}

// banner says in large letters what is wrong with the figures.
type banner struct {
	Word string // INVALID, TAIL, PARTIAL, NOTE or KNEE
	Text string
}

// tile is one figure that is read first.
type tile struct{ Label, Value, Small string }

type section struct {
	ID, Title, Text string
	Charts          []chart
	Bars            []barGroup
	Tables          []table
}

type table struct {
	Head  []string
	Rows  [][]cell // the first cell of each is its row's heading
	Prose bool     // its cells are words, which wrap
}

type cell struct{ Text, Small, Class string }

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	// The style sheet is a file of this package.
	"css":    func() template.CSS { return template.CSS(pageCSS) },
	"legend": legend,
}).Parse(pageHTML))

// legend is the lines that are named, where there is more than one.
func legend(lines []line) []line {
	var named []line
	for _, l := range lines {
		if !l.Hidden {
			named = append(named, l)
		}
	}
	if len(named) < 2 {
		return nil
	}
	return named
}

func (p *page) write(w io.Writer) error {
	b := bufio.NewWriter(w)
	if err := pageTemplate.Execute(b, p); err != nil {
		return err
	}
	return b.Flush()
}

func startedText(t time.Time) string {
	if t.IsZero() {
		return "at an unknown time"
	}
	return t.Format("2 January 2006, 15:04:05 MST")
}

// machine is the environment in one line.
func machine(e result.Environment) string {
	var parts []string
	for _, f := range environmentFields(e) {
		if f[0] != "architecture" && f[1] != "" {
			parts = append(parts, f[1])
		}
	}
	return strings.Join(parts, ", ")
}

func environmentFields(e result.Environment) [][2]string {
	system := e.OS
	if e.Kernel != "" {
		system += " " + e.Kernel
	}
	cpu := e.CPU
	if e.CPUs > 0 {
		cpu = strings.TrimSuffix(fmt.Sprintf("%d × %s", e.CPUs, e.CPU), " × ")
	}
	memory := ""
	if e.Memory > 0 {
		memory = result.Bytes.Format(float64(e.Memory))
	}
	version := e.Loopbench
	if version != "" {
		version = "loopbench " + version
	}
	return [][2]string{
		{"system", system}, {"architecture", e.Arch}, {"CPU", cpu}, {"memory", memory}, {"Go", e.Go}, {"loopbench", version},
	}
}

// environmentSection has one column; where runs came from several machines the
// comparison's warnings say so.
func environmentSection(e result.Environment) section {
	t := table{Head: []string{"", "machine"}, Prose: true}
	for _, f := range environmentFields(e) {
		if f[1] != "" {
			t.Rows = append(t.Rows, []cell{{Text: f[0]}, {Text: f[1]}})
		}
	}
	return section{ID: "environment", Title: "Environment", Tables: []table{t}}
}
