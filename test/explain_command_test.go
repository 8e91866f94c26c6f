// SPDX-License-Identifier: Apache-2.0

package test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sideloop/sideloop/server"
)

func TestExplainCommand(t *testing.T) {
	file := writeConfig(t, routed(routes(
		`{"match": {"headers": [{"name": "env", "value": "gray"}]}, "route": {"cluster_name": "a"}}`,
		`{"match": {"prefix": "/"}, "route": {"cluster_name": "b", "prefix_rewrite": "/v2/"}}`,
	), clusterOf("a", "127.0.0.1:1"), clusterOf("b", "127.0.0.1:2")))
	ask := []string{"explain", "-c", file, "--listener", "h2", "--path", "/x", "--header", "env=prod,1"}
	out, err := sideloop(t, ask...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"route         servers[0].routers[0].virtual_hosts[0].routers[1]\n", "cluster       b, 100%, over http2: 127.0.0.1:2\n", `path becomes "/v2/x"`,
		`servers[0].routers[0].virtual_hosts[0].routers[0]: header env: want "gray", request has "prod,1"`,
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	out, err = sideloop(t, append(ask, "--json")...).Output()
	var x server.Explanation
	if err != nil || json.Unmarshal(out, &x) != nil || x.Clusters[0].Cluster != "b" || len(x.Others) != 1 {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err = sideloop(t, "explain", "-c", file).CombinedOutput(); err == nil || !strings.Contains(string(out), "several listeners take http2") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestSchemaCommand(t *testing.T) {
	out, err := sideloop(t, "schema").Output()
	if err != nil || !json.Valid(out) {
		t.Errorf("%v: %d bytes", err, len(out))
	}
	if out, err = sideloop(t, "schema", "--markdown").Output(); err != nil || !strings.Contains(string(out), "### Route action\n") {
		t.Errorf("%v: %d bytes", err, len(out))
	}
}
