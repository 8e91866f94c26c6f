// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
)

const pemKey = `-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----`

func TestRedact(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"a.json", `{"private_key" : "x", "cert": "y"}`, `{"private_key" : "[redacted]", "cert": "y"}`},
		{"a.json", `{"PRIVATEKEY":"x\"y\\", "n": 1}`, `{"PRIVATEKEY":"[redacted]", "n": 1}`},
		{"a.json", `{"private\u005fkey": "x"}`, `{"private\u005fkey": "[redacted]"}`},
		{"a.json", `{"ticket": ["a", "b"], "c": ["d"]}`, `{"ticket": ["[redacted]", "[redacted]"], "c": ["d"]}`},
		{"a.json", `{"other": "` + pemKey + `"}`, `{"other": "[redacted]"}`},
		{"a.json", `{"password": ""}`, `{"password": ""}`},
		{"a.json", `{"token": "never ends`, `{"token": "[redacted]"`},
		{"a.json", ``, ``},
		{"a.yaml", "a: 1 # why\nprivate_key: x\n", "a: 1 # why\nprivate_key: \"[redacted]\"\n"},
		{"a.yaml", "k: &k secret-text\npassword: *k\n", "k: &k \"[redacted]\"\npassword: *k\n"},
		{"a.yml", "key: |\n  -----BEGIN PRIVATE KEY-----\n  x\n", "key: \"[redacted]\"\n"},
		{"a.yml", "tickets: [a, b]\n", "tickets: [\"[redacted]\", \"[redacted]\"]\n"},
	} {
		got, err := Redact(tt.name, []byte(tt.in))
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %q, %v\nwant %q", tt.in, got, err, tt.want)
		}
	}
	if text, err := Redact("a.yaml", []byte("\tprivate_key: x")); err == nil {
		t.Errorf("what is no YAML is shown: %q", text)
	}
}

// What is no secret stays as it is.
func FuzzRedact(f *testing.F) {
	f.Add([]byte(`{"private_key": "x", "a": ["b\\", "c"], "ticket": ["d"]}`))
	f.Add([]byte(`{"a": "`))
	f.Add([]byte(`{"a": "\`))
	f.Fuzz(func(t *testing.T, data []byte) {
		once := redactJSON(data)
		if json.Valid(data) != json.Valid(once) {
			t.Fatalf("%q becomes %q", data, once)
		}
		if twice := redactJSON(once); string(once) != string(twice) {
			t.Fatalf("%q, then %q", once, twice)
		}
		if !strings.Contains(string(once), Redacted) && string(once) != string(data) {
			t.Fatalf("%q becomes %q", data, once)
		}
	})
}

func TestDump(t *testing.T) {
	type inner struct {
		HTTP2Limits int
		PrivateKey  string
		Path        string
		hidden      int
	}
	v := struct {
		Name        string
		Timeout     time.Duration
		Downstream  Protocol
		Regex       *regexp.Regexp
		Missing     *inner
		Ticket      []string
		Token       bool
		Certificate string
		Labels      map[string]string
		List        []inner
		F           func()
	}{
		Name: "x", Downstream: ProtocolBolt, Timeout: 90 * time.Second, Regex: regexp.MustCompile("a+"), Ticket: []string{"t"}, Token: true,
		Certificate: strings.ReplaceAll(pemKey, `\n`, "\n"), Labels: map[string]string{"password": "p", "zone": "z"},
		List: []inner{{3, "k", "servers[0]", 1}},
	}
	text, err := Dump(v)
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "name": "x",
  "timeout": "1m30s",
  "downstream": "bolt",
  "regex": "a+",
  "ticket": "[redacted]",
  "token": true,
  "certificate": "[redacted]",
  "labels": {
    "password": "[redacted]",
    "zone": "z"
  },
  "list": [
    {
      "http2_limits": 3,
      "private_key": "[redacted]"
    }
  ]
}`
	if string(text) != want {
		t.Errorf("%s\nwant %s", text, want)
	}
}

// A whole configuration is shown as JSON, with what is in effect.
func TestDumpOfAConfiguration(t *testing.T) {
	c, problems, err := Load("testdata/seed.json")
	if err != nil || c == nil {
		t.Fatal(problems, err)
	}
	text, err := Dump(c)
	if err != nil || !json.Valid(text) {
		t.Fatalf("%v: %s", err, text)
	}
	for _, want := range []string{`"graceful_timeout": "30s"`, `"connect_timeout":`, `"max_streams": 1024`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is missing in %s", want, text)
		}
	}
}

func TestAdminAddresses(t *testing.T) {
	parse := func(keys string) (*Config, Problems) {
		return Parse("x.json", []byte(`{`+keys+`, "servers": [{"listeners": [{"name": "in", "address": "127.0.0.1:2045", "bind_port": true,
 "filter_chains": [{"filters": [{"type": "proxy", "config": {"downstream_protocol": "Http2", "virtual_hosts": [{"domains": ["*"]}]}}]}]}]}]}`))
	}
	for _, tt := range []struct{ keys, admin, pprof, problem string }{
		{`"pid": ""`, "", "", ""},
		{`"admin": {"address": {"socket_address": {"port_value": 34901}}}`, "127.0.0.1:34901", "", ""},
		{`"admin": {"address": {"socket_address": {"address": "::1", "port_value": 0}}}`, "[::1]:0", "", ""},
		{`"admin": {"address": {"socket_address": {"address": "0.0.0.0", "port_value": 34901}}}`, "0.0.0.0:34901", "", "no authentication"},
		{`"admin": {"address": {"socket_address": {"address": "nowhere.example", "port_value": 34901}}}`, "", "", "needs an IP address"},
		{`"admin": {}`, "", "", "address"},
		{`"admin": {"address": {"socket_address": {"address": "127.0.0.1"}}}`, "", "", "port_value"},
		{`"pprof": {"debug": true}`, "", "127.0.0.1:9090", ""},
		{`"pprof": {"debug": false, "port_value": 1}`, "", "", ""},
	} {
		c, problems := parse(tt.keys)
		if tt.problem == "" && len(problems) > 0 || tt.problem != "" && !strings.Contains(problems[0].String(), tt.problem) {
			t.Errorf("%s: %v", tt.keys, problems)
			continue
		}
		if c != nil && (c.Admin.Address != tt.admin || c.Admin.Pprof != tt.pprof) {
			t.Errorf("%s: %+v", tt.keys, c.Admin)
		}
		if tt.admin == "" && tt.problem != "" && c != nil {
			t.Errorf("%s is no error", tt.keys)
		}
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true, "[::ffff:127.0.0.1]:1": true,
		"0.0.0.0:1": false, ":1": false, "10.0.0.1:1": false, "[::]:1": false, "127.0.0.1": false, "example.org:1": false,
	} {
		if Loopback(address) != want {
			t.Errorf("%s: %v", address, !want)
		}
	}
}
