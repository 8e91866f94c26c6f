// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseTemplate(t *testing.T) {
	for value, want := range map[string]string{
		"":                              "",
		"plain":                         `"plain"`,
		"%x-mosn-path%":                 `path`,
		"a%x-mosn-path%b%protocol%":     `"a" path "b" protocol`,
		"100%":                          `"100%"`,
		"100% of 20%":                   `"100% of 20%"`,
		"50%%":                          `"50%"`,
		"%%x-mosn-path%%":               `"%x-mosn-path%"`,
		"%request_header_X-A%":          `header x-a`,
		"%Http2_request_arg_A%":         `parameter A`,
		"% %x-mosn-path%":               `"% " path`,
		"%nonsense%":                    `unknown nonsense`,
		"%request_header_%":             `unknown request_header_`,
		"%response_code%-%nonsense%%b%": `unknown nonsense`,
	} {
		list, unknown := ParseTemplate(value)
		var parts []string
		for _, s := range list {
			switch {
			case s.Variable == nil:
				parts = append(parts, fmt.Sprintf("%q", s.Text))
			case s.Variable.Name == "":
				parts = append(parts, map[VariableKind]string{VariablePath: "path", VariableProtocol: "protocol"}[s.Variable.Kind])
			default:
				parts = append(parts, map[VariableKind]string{VariableHeader: "header", VariableParameter: "parameter"}[s.Variable.Kind]+" "+s.Variable.Name)
			}
		}
		found := strings.Join(parts, " ")
		if unknown != "" {
			found = "unknown " + unknown
		}
		if found != want {
			t.Errorf("%s: %s, want %s", value, found, want)
		}
	}
}

// TestRoutesDiffer: a reload sees every change of what a route does.
func TestRoutesDiffer(t *testing.T) {
	const base = `{"redirect": {"path_redirect": "/a"}, "route": {"cluster_name": "c"}}`
	first, _ := routeWith(t, base)
	for _, other := range []string{
		`{"redirect": {"path_redirect": "/b"}, "route": {"cluster_name": "c"}}`,
		`{"redirect": {"path_redirect": "/a"}, "per_filter_config": {"payload_limit": {"max_entity_size": 1}}, "route": {"cluster_name": "c"}}`,
		`{"redirect": {"path_redirect": "/a"}, "route": {"cluster_name": "c", "hash_policy": [{"cookie": {"name": "a", "path": "/", "ttl": "1s"}}]}}`,
	} {
		if second, _ := routeWith(t, other); Equal(&first, &second) {
			t.Errorf("%s is taken for %s", other, base)
		}
	}
	if same, _ := routeWith(t, " "+base); !Equal(&first, &same) {
		t.Error("a route differs from itself")
	}
}

// TestFiltersByRoute: per_filter_config is read by the tables of the filters.
func TestFiltersByRoute(t *testing.T) {
	route, _ := routeWith(t, `{"per_filter_config": {"payload_limit": {"max_entity_size": 3}}, "route": {"cluster_name": "c"}}`)
	if settings, ok := route.Filters["payload_limit"].(*PayloadLimit); !ok || settings.MaxBytes != 3 {
		t.Errorf("settings: %v", route.Filters)
	}
}
