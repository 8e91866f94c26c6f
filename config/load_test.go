// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// seed is a file of 2018, byte for byte.
const seed = "testdata/seed.json"

// seedSide is one direction of the seed: its listener, router and cluster.
func seedSide(i, name, address string, down, up Protocol) (Listener, Router) {
	listener := "servers[0].listeners[" + i + "]"
	filters := listener + ".filter_chains[0].filters"
	manager := filters + "[1].config"
	host := manager + ".virtual_hosts[0]"
	return Listener{
			Name: name + "Listener", Network: "tcp", Address: address, BindPort: true, LogPath: "stdout", Path: listener,
			Proxy: Proxy{Downstream: []Protocol{down}, Upstream: up, RouterName: name + "_router", HTTP2: HTTP2Options{Limits: defaultLimits}, Path: filters + "[0].config"},
		}, Router{
			Name: name + "_router", Path: manager,
			VirtualHosts: []VirtualHost{{
				Name: name + "Host", Domains: []string{"*"}, Path: host,
				Routes: []Route{{
					Match:  Match{Headers: []HeaderMatch{{Name: "service", Value: ".*"}}, Path: host + ".routers[0].match"},
					Action: Action{Cluster: name + "Cluster", Timeout: time.Minute},
					Path:   host + ".routers[0]",
				}},
			}},
		}
}

// defaultLimits are those of a file that states none.
var defaultLimits = view{o: http2Object}.http2Limits()

// usualBalancing is that of a file that states a policy and no more.
func usualBalancing(p Policy) Balancing {
	return Balancing{
		Policy: p, ChoiceCount: 2, ActiveRequestBias: 1, ClientErrorBias: 1, ServerErrorBias: 1,
		SlowStart: SlowStart{Aggression: 1, MinWeight: 0.1}, Overprovisioning: 140,
	}
}

// usualDNS is that of a file that states nothing of it.
var usualDNS = DNS{RefreshRate: 5 * time.Second, Port: "53", Ndots: 1, Timeout: 5 * time.Second, Attempts: 2}

func seedConfig() *Config {
	in, inRouter := seedSide("0", "server", "127.0.0.1:2046", ProtocolHTTP2, ProtocolBolt)
	out, outRouter := seedSide("1", "client", "127.0.0.1:2045", ProtocolBolt, ProtocolHTTP2)
	cluster := func(name, address, path string) Cluster {
		return Cluster{
			Name: name, Type: Simple, LB: usualBalancing(Random), DNS: usualDNS, MaxRequestPerConn: 1024, ConnBufferLimit: 32768,
			ConnectTimeout: 10 * time.Second, HTTP2: defaultLimits, Path: path,
			Hosts: []Host{{Address: address, Weight: 1, Path: path + ".hosts[0]"}},
		}
	}
	return &Config{
		Server: Server{
			LogPath: "stdout", LogLevel: "INFO", GracefulTimeout: 30 * time.Second, Overload: usualOverload,
			Listeners: []Listener{in, out}, Routers: []Router{inRouter, outRouter},
		},
		Clusters: []Cluster{
			cluster("serverCluster", "127.0.0.1:8080", "cluster_manager.clusters[0]"),
			cluster("clientCluster", "127.0.0.1:2046", "cluster_manager.clusters[1]"),
		},
	}
}

// valid fails the test unless the problems are none.
func valid(t *testing.T, problems Problems) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
	if t.Failed() {
		t.FailNow()
	}
}

func TestLoadSeed(t *testing.T) {
	c, problems, err := Load(seed)
	if err != nil {
		t.Fatal(err)
	}
	valid(t, problems)
	if diff := cmp.Diff(seedConfig(), c); diff != "" {
		t.Errorf("config (-want +found):\n%s", diff)
	}
}

// TestParseKeyCase: encoding/json, and so MOSN, takes keys in any case.
func TestParseKeyCase(t *testing.T) {
	data, err := os.ReadFile(seed)
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`"\w+":`)
	for name, fold := range map[string]func([]byte) []byte{"upper": bytes.ToUpper, "lower": bytes.ToLower} {
		c, problems := Parse("seed.json", key.ReplaceAllFunc(data, fold))
		valid(t, problems)
		if diff := cmp.Diff(seedConfig(), c); diff != "" {
			t.Errorf("%s (-want +found):\n%s", name, diff)
		}
	}
	// Underscores count.
	_, problems := Parse("seed.json", bytes.ReplaceAll(data, []byte("cluster_manager"), []byte("clusterManager")))
	if !problems.FailCheck() || problems.HasErrors() {
		t.Errorf("clusterManager was taken for cluster_manager: %v", problems)
	}
}

// TestParseSeedAsYAML: JSON of this kind is YAML too, and gives the same.
func TestParseSeedAsYAML(t *testing.T) {
	data, err := os.ReadFile(seed)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"seed.yaml", "seed.yml"} {
		c, problems := Parse(name, data)
		valid(t, problems)
		if diff := cmp.Diff(seedConfig(), c); diff != "" {
			t.Errorf("%s (-want +found):\n%s", name, diff)
		}
	}
}

func TestLoadUnreadable(t *testing.T) {
	if _, _, err := Load(filepath.Join(t.TempDir(), "none.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v, want that the file does not exist", err)
	}
	if _, _, err := Load(t.TempDir()); err == nil {
		t.Error("a directory was loaded")
	}
}

func TestParseTooLarge(t *testing.T) {
	for name, limit := range map[string]int{"big.json": sizeLimit, "big.yaml": yamlSizeLimit} {
		data := bytes.Repeat([]byte(" "), limit+1)
		want := fmt.Sprintf("%s: error: the file is larger than %d MiB", name, limit>>20)
		if _, problems := Parse(name, data); len(problems) != 1 || problems[0].String() != want {
			t.Errorf("problems are %v, want %q", problems, want)
		}
		if _, problems := Parse(name, data[:limit]); len(problems) != 1 || !strings.Contains(problems[0].Message, "empty") {
			t.Errorf("problems at the limit are %v, want an empty file", problems)
		}
	}
}

// TestLoadDirectoryIrregular: what cannot be a configuration is an error, and a
// pipe that nobody writes to does not hold up the start.
func TestLoadDirectoryIrregular(t *testing.T) {
	directory := t.TempDir()
	clusters := filepath.Join(directory, "clusters")
	if err := os.MkdirAll(filepath.Join(clusters, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(clusters, "b.json"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(clusters, "c.json")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(directory, "sideloop.json")
	if err := os.WriteFile(path, []byte(`{"servers": [{"listeners": []}], "cluster_manager": {"clusters_configs": "clusters"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	_, problems, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, p := range problems[1:] { // the first is that there are no listeners
		found = append(found, strings.TrimPrefix(p.String(), clusters))
	}
	want := []string{
		"/a: error: the file cannot be read: it is not a regular file",
		"/b.json: error: the file cannot be read: it is not a regular file",
		"/c.json: error: the file cannot be read: no such file or directory",
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("problems (-want +found):\n%s", diff)
	}
}

// TestParseReadsNoFiles: only Load may follow the directories in a file.
func TestParseReadsNoFiles(t *testing.T) {
	_, problems := Parse("testdata/check/x.json", []byte(`{"servers": [{}], "cluster_manager": {"clusters_configs": "clusters"}}`))
	want := `testdata/check/x.json:1:59: error: cluster_manager.clusters_configs: a directory can be named only in a configuration that is a file itself`
	if len(problems) != 2 || problems[1].String() != want {
		t.Errorf("problems are %v, want the second to be %q", problems, want)
	}
}

// TestLoadDirectories reads one file per virtual host and cluster, in YAML or
// JSON, past hidden files, relative to the configuration.
func TestLoadDirectories(t *testing.T) {
	directory := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("sideloop.json", `{"servers": [{
		"listeners": [{"address": ":80", "bind_port": true, "filter_chains": [{"filters": [
			{"type": "proxy", "config": {"downstream_protocol": "Auto", "router_config_name": "r"}}]}]}],
		"routers": [{"router_config_name": "r", "router_configs": "hosts"}]}],
		"cluster_manager": {"clusters_configs": "clusters"}}`)
	write("hosts/b.json", `{"name": "second", "domains": ["*"]}`)
	write("hosts/a.yaml", "name: first\ndomains: [a.com]\nrouters:\n- route: {cluster_name: c}\n")
	write("hosts/.a.yaml.swp", "\x00")
	write("clusters/c.json", `{"name": "c", "hosts": [{"address": "a.com:80"}]}`)

	c, problems, err := Load(filepath.Join(directory, "sideloop.json"))
	if err != nil {
		t.Fatal(err)
	}
	valid(t, problems)
	hosts := c.Server.Routers[0].VirtualHosts
	if len(hosts) != 2 || hosts[0].Name != "first" || hosts[1].Name != "second" {
		t.Fatalf("virtual hosts are %+v, want first and second", hosts)
	}
	found := []string{hosts[0].Routes[0].Path, hosts[0].Routes[0].Match.Path, c.Clusters[0].Path, c.Clusters[0].Hosts[0].Path}
	want := []string{
		"servers[0].routers[0].router_configs/a.yaml.routers[0]",
		"servers[0].routers[0].router_configs/a.yaml.routers[0].match",
		"cluster_manager.clusters_configs/c.json",
		"cluster_manager.clusters_configs/c.json.hosts[0]",
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("paths (-want +found):\n%s", diff)
	}
}
