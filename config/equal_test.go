// SPDX-License-Identifier: Apache-2.0

package config

import "testing"

func TestEqualIgnoresPlacesOnly(t *testing.T) {
	make := func() *Cluster {
		return &Cluster{Name: "c", Path: "a", Hosts: []Host{{Address: "x:1", Weight: 1, Path: "a[0]"}}}
	}
	a, b := make(), make()
	b.Path, b.Hosts[0].Path = "b", "b[7]"
	if !Equal(a, b) {
		t.Error("places count")
	}
	for what, change := range map[string]func(*Cluster){
		"a text":        func(c *Cluster) { c.Name = "d" },
		"a nested word": func(c *Cluster) { c.Hosts[0].Weight = 2 },
		"a length":      func(c *Cluster) { c.Hosts = append(c.Hosts, Host{}) },
	} {
		b := make()
		change(b)
		if Equal(a, b) {
			t.Errorf("%s does not count", what)
		}
	}
}

func TestEqualIgnoresLines(t *testing.T) {
	a, b := node{position: position{line: 1}, text: "x"}, node{position: position{line: 2}, text: "x"}
	if !Equal(&a, &b) {
		t.Error("lines count")
	}
	if b.text = "y"; Equal(&a, &b) {
		t.Error("text does not count")
	}
}

func TestEqualMaps(t *testing.T) {
	type labels struct {
		M map[string]string
		P *int
	}
	one := 1
	for _, c := range []struct {
		a, b labels
		want bool
	}{
		{labels{M: map[string]string{"k": "v"}}, labels{M: map[string]string{"k": "v"}}, true},
		{labels{M: map[string]string{"k": "v"}}, labels{M: map[string]string{"k": "w"}}, false},
		{labels{M: map[string]string{"k": "v"}}, labels{M: map[string]string{"l": "v"}}, false},
		{labels{P: &one}, labels{}, false},
		{labels{P: &one}, labels{P: new(int)}, false},
		{labels{P: &one}, labels{P: func() *int { n := 1; return &n }()}, true},
	} {
		if got := Equal(&c.a, &c.b); got != c.want {
			t.Errorf("%v, %v: %v", c.a, c.b, got)
		}
	}
}
