// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// document is a page as a browser sees it.
type document struct {
	text    string // the source
	root    *html.Node
	ids     map[string]*html.Node
	visible string // all text, spaces made single
}

// parse checks what holds for every page: it is well-formed, refers to nothing
// outside, runs nothing, and all it draws is numbers within the drawing.
func parse(t *testing.T, page []byte) *document {
	t.Helper()
	checkBalance(t, page)
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	d := &document{text: string(page), root: root, ids: map[string]*html.Node{}}
	var words []string
	for n := range root.Descendants() {
		switch n.Type {
		case html.TextNode:
			if n.Parent.Data != "style" {
				words = append(words, n.Data)
			}
		case html.ElementNode:
			d.checkElement(t, n)
		}
	}
	d.visible = strings.Join(strings.Fields(strings.Join(words, " ")), " ")
	for n := range root.Descendants() {
		for _, a := range n.Attr {
			if a.Key == "aria-labelledby" && d.ids[a.Val] == nil {
				t.Errorf("%s refers to %q, which does not exist", n.Data, a.Val)
			}
		}
	}
	for _, outside := range []string{"http:", "https:", "url(", "@import", "//"} {
		if strings.Contains(strings.ReplaceAll(pageCSS, "/* SPDX", ""), outside) {
			t.Errorf("the style sheet contains %q", outside)
		}
	}
	for _, broken := range []string{"NaN", "Inf", "ZgotmplZ", "%!", "<no value>"} {
		if strings.Contains(d.text, broken) {
			t.Errorf("the page contains %q", broken)
		}
	}
	return d
}

// void are the elements of our pages that have no end tag.
var void = []string{"meta"}

// checkBalance finds tags that are not closed in order: the parser repairs them
// silently.
func checkBalance(t *testing.T, page []byte) {
	t.Helper()
	var open []string
	z := html.NewTokenizer(bytes.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				t.Errorf("not closed: %q", open)
			}
			return
		case html.StartTagToken:
			if name, _ := z.TagName(); !slices.Contains(void, string(name)) {
				open = append(open, string(name))
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				t.Fatalf("</%s> closes %q", name, open)
			}
			open = open[:len(open)-1]
		}
	}
}

func (d *document) checkElement(t *testing.T, n *html.Node) {
	t.Helper()
	if slices.Contains([]string{"script", "link", "img", "iframe", "object", "embed", "base", "form", "foreignObject"}, n.Data) {
		t.Errorf("the page has a <%s>", n.Data)
	}
	for _, a := range n.Attr {
		switch a.Key {
		case "id":
			if d.ids[a.Val] != nil || a.Val == "" {
				t.Errorf("the id %q is there twice or empty", a.Val)
			}
			d.ids[a.Val] = n
		case "src", "href", "srcset", "action", "style", "data":
			t.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
		case "d":
			checkPath(t, a.Val)
		case "x1", "x2", "cx":
			checkCoordinate(t, a.Val, 480)
		case "y1", "y2", "cy":
			checkCoordinate(t, a.Val, 290)
		}
		if strings.HasPrefix(a.Key, "on") {
			t.Errorf("<%s> has %s", n.Data, a.Key)
		}
	}
}

var pathForm = regexp.MustCompile(`^(M[0-9.]+ [0-9.]+(h1|(L[0-9.]+ [0-9.]+)+))*$|^M0 5h30$`)

func checkPath(t *testing.T, path string) {
	t.Helper()
	if !pathForm.MatchString(path) {
		t.Errorf("the path is %q", path)
	}
	for _, p := range strings.FieldsFunc(path, func(r rune) bool { return r == 'M' || r == 'L' || r == 'h' }) {
		if x, y, ok := strings.Cut(p, " "); ok && !strings.HasSuffix(path, "h30") {
			checkCoordinate(t, x, 480)
			checkCoordinate(t, y, 290)
		}
	}
}

func checkCoordinate(t *testing.T, text string, most float64) {
	t.Helper()
	text, percent := strings.CutSuffix(text, "%")
	if percent {
		most = 100
	}
	if v, err := strconv.ParseFloat(text, 64); err != nil || v < 0 || v > most {
		t.Errorf("the coordinate %q is not within 0 and %v", text, most)
	}
}

// count is how many elements there are of a name and class below an id.
func (d *document) count(id, name, class string) (n int) {
	under := d.ids[id]
	if under == nil {
		return 0
	}
	for e := range under.Descendants() {
		if e.Type == html.ElementNode && e.Data == name && (class == "" || slices.Contains(e.Attr, html.Attribute{Key: "class", Val: class})) {
			n++
		}
	}
	return n
}

// has checks that all of these can be read.
func (d *document) has(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(d.visible, text) {
			t.Errorf("the page does not say %q", text)
		}
	}
}

// row is the text of the first row of a section's tables that begins so.
func (d *document) row(id, head string) string {
	for e := range d.ids[id].Descendants() {
		if e.Type != html.ElementNode || e.Data != "tr" {
			continue
		}
		var words []string
		for w := range e.Descendants() {
			if w.Type == html.TextNode {
				words = append(words, strings.Fields(w.Data)...)
			}
		}
		if text := strings.Join(words, " "); strings.HasPrefix(text, head) {
			return text
		}
	}
	return ""
}

// full is a writer without room.
type full struct{ room int }

func (f *full) Write(b []byte) (int, error) {
	if len(b) > f.room {
		return 0, errors.New("full disk")
	}
	f.room -= len(b)
	return len(b), nil
}
