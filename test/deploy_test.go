// SPDX-License-Identifier: Apache-2.0

package test

import (
	"encoding/json"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// What stands in deploy/ is run here as it stands there, with the paths and the
// ports of this machine.
const (
	deployedBinary = "/usr/local/bin/sideloop"
	deployedConfig = "/etc/sideloop/config.json"
)

// deployed is a configuration of deploy/ on ports of this machine.
type deployed struct {
	t        *testing.T
	file     string
	admin    string
	adminWas string // the port in deploy/
	addr     map[string]string
}

var adminPort = regexp.MustCompile(`"port_value": (\d+)`)

func deploy(t *testing.T, text string) *deployed {
	t.Helper()
	d := &deployed{t: t, admin: freeAddress(t), addr: make(map[string]string)}
	m := adminPort.FindStringSubmatch(text)
	if m == nil {
		t.Fatal("the configuration has no admin server")
	}
	d.adminWas = m[1]
	text = strings.Replace(text, m[0], `"port_value": `+portOf(t, d.admin), 1)
	for _, address := range []string{"0.0.0.0:2046", "127.0.0.1:2045"} {
		if !strings.Contains(text, address) {
			t.Fatalf("the configuration has no listener at %s", address)
		}
		d.addr[address] = freeAddress(t)
		text = strings.Replace(text, address, d.addr[address], 1)
	}
	d.file = writeConfig(t, text)
	return d
}

// args are the arguments of a command of deploy/ that runs the binary.
func (d *deployed) args(command []string) []string {
	d.t.Helper()
	if len(command) < 2 || command[0] != deployedBinary {
		d.t.Fatalf("%q does not run the proxy", command)
	}
	args := slices.Clone(command[1:])
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], deployedConfig, d.file)
		if args[i] == "127.0.0.1:"+d.adminWas {
			args[i] = d.admin
		}
	}
	return args
}

// start runs a command that starts the proxy until it is ready.
func (d *deployed) start(command []string) *process {
	d.t.Helper()
	args := d.args(command)
	if args[0] != "start" || !slices.Contains(args, d.file) {
		d.t.Fatalf("%q does not start the proxy by %s", command, deployedConfig)
	}
	p := startProcess(d.t, d.admin, args[1:]...)
	if s := p.status("/ready"); s != 200 {
		d.t.Fatalf("/ready: %d: %s", s, p.out)
	}
	for was, now := range d.addr {
		eventually(d.t, "something listens at "+was, func() bool { return strings.Contains(p.out.String(), now) })
	}
	return p
}

// drainTime is what a command says of it.
func drainTime(t *testing.T, command []string) time.Duration {
	t.Helper()
	i := slices.Index(command, "--drain-time")
	if i < 0 || i+1 == len(command) {
		t.Fatalf("%q has no drain time", command)
	}
	return duration(t, command[i+1])
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func readText(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// unitFile is a unit of systemd: values by "Section.Key", in their order.
type unitFile map[string][]string

func readUnit(t *testing.T, path string) unitFile {
	t.Helper()
	u, section := make(unitFile), ""
	for line := range strings.Lines(readText(t, path)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok || section == "" || key != strings.TrimSpace(key) {
				t.Fatalf("%s: %q", path, line)
			}
			u[section+"."+key] = append(u[section+"."+key], value)
		}
	}
	return u
}

// one is the value of a key that stands once.
func (u unitFile) one(t *testing.T, key string) string {
	t.Helper()
	if len(u[key]) != 1 {
		t.Fatalf("%s stands %d times", key, len(u[key]))
	}
	return u[key][0]
}

func TestDeployedUnit(t *testing.T) {
	u := readUnit(t, "../deploy/systemd/sideloop.service")
	d := deploy(t, readText(t, "../deploy/systemd/config.json"))
	start := strings.Fields(u.one(t, "Service.ExecStart"))
	p := d.start(start)
	tell(t, d.args(strings.Fields(u.one(t, "Service.ExecStartPost")))...)
	text := strings.Replace(readText(t, d.file), "10.0.0.2:2046", "10.0.0.3:2046", 1)
	if err := os.WriteFile(d.file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if said := tell(t, d.args(strings.Fields(u.one(t, "Service.ExecReload")))...); !strings.Contains(said, "+10.0.0.3:2046") {
		t.Errorf("the reload says %q", said)
	}
	p.signal(syscall.SIGTERM)
	p.wantEnd()
	if stop := duration(t, u.one(t, "Service.TimeoutStopSec")); stop <= drainTime(t, start) {
		t.Errorf("systemd ends within %v what may drain for %v", stop, drainTime(t, start))
	}
}

// The sockets that systemd opens are those of the configuration's listeners.
func TestDeployedSockets(t *testing.T) {
	u := readUnit(t, "../deploy/systemd/sideloop.socket")
	text := readText(t, "../deploy/systemd/config.json")
	listeners := strings.Count(text, `"bind_port": true`)
	if len(u["Socket.ListenStream"]) != listeners || u.one(t, "Socket.Service") != "sideloop.service" {
		t.Errorf("sockets %q for %d listeners", u["Socket.ListenStream"], listeners)
	}
	for _, address := range u["Socket.ListenStream"] {
		if !strings.Contains(text, `"address": "`+address+`"`) {
			t.Errorf("no listener has the address %s", address)
		}
	}
}

// dockerFile is the instructions of a Dockerfile.
type dockerFile [][2]string

func readDockerfile(t *testing.T, path string) dockerFile {
	t.Helper()
	var f dockerFile
	joined := ""
	for line := range strings.Lines(readText(t, path)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		rest, more := strings.CutSuffix(line, "\\")
		joined += rest
		if more {
			continue
		}
		word, args, _ := strings.Cut(joined, " ")
		f = append(f, [2]string{word, strings.TrimSpace(args)})
		joined = ""
	}
	return f
}

// last is the arguments of the latest instruction of a kind: what counts for the
// image.
func (f dockerFile) last(t *testing.T, word string) string {
	t.Helper()
	for _, i := range slices.Backward(f) {
		if i[0] == word {
			return i[1]
		}
	}
	t.Fatalf("no %s", word)
	return ""
}

// exec reads the form of a command that needs no shell.
func execForm(t *testing.T, text string) (command []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text[strings.IndexByte(text, '['):]), &command); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return command
}

// Without an engine the Dockerfile is read, and what its image would run is run.
func TestDeployedImage(t *testing.T) {
	f := readDockerfile(t, "../deploy/docker/Dockerfile")
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readText(t, "../go.mod"))[1]
	known := []string{"FROM", "WORKDIR", "COPY", "RUN", "USER", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
	for _, i := range f {
		switch {
		case !slices.Contains(known, i[0]):
			t.Errorf("%s is not known here", i[0])
		case i[0] == "FROM" && i[1] != "scratch" && !strings.HasPrefix(i[1], "golang:"+goVersion+"-"):
			t.Errorf("FROM %s, but go.mod says %s", i[1], goVersion)
		case i[0] == "COPY" && strings.HasPrefix(i[1], "go."):
			for _, name := range strings.Fields(i[1])[:2] {
				readText(t, "../"+name)
			}
		}
	}
	for word, want := range map[string]string{"FROM": "scratch", "USER": "65532:65532", "STOPSIGNAL": "SIGTERM", "RUN": "make build"} {
		if got := f.last(t, word); got != want {
			t.Errorf("%s %s", word, got)
		}
	}
	if !strings.HasSuffix(f.last(t, "COPY"), "/bin/sideloop "+deployedBinary) {
		t.Errorf("COPY %s", f.last(t, "COPY"))
	}
	d := deploy(t, readText(t, "../deploy/systemd/config.json"))
	p := d.start(append(execForm(t, f.last(t, "ENTRYPOINT")), execForm(t, f.last(t, "CMD"))...))
	health := d.args(execForm(t, f.last(t, "HEALTHCHECK")))
	tell(t, health...)
	p.signal(syscall.SIGTERM)
	p.wantEnd()
	if out, err := sideloop(t, append(health, "--timeout", "100ms")...).CombinedOutput(); err == nil {
		t.Errorf("a container that has ended is healthy: %s", out)
	}
}

// What the test needs of the manifests; test/manifests reads all of it.
type container struct {
	Name           string
	Args           []string
	Command        []string
	Ports          []struct{ Name, ContainerPort string }
	StartupProbe   probe `yaml:"startupProbe"`
	ReadinessProbe probe `yaml:"readinessProbe"`
	LivenessProbe  probe `yaml:"livenessProbe"`
	VolumeMounts   []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

type manifest struct {
	Kind string
	Data map[string]string
	Spec struct {
		Template struct {
			Spec struct {
				Grace          int         `yaml:"terminationGracePeriodSeconds"`
				InitContainers []container `yaml:"initContainers"`
			}
		}
	}
}

func readManifests(t *testing.T, path string) map[string]manifest {
	t.Helper()
	all := make(map[string]manifest)
	d := yaml.NewDecoder(strings.NewReader(readText(t, path)))
	for {
		var m manifest
		if err := d.Decode(&m); err != nil {
			if len(all) == 0 {
				t.Fatal(err)
			}
			return all
		}
		all[m.Kind] = m
	}
}

func TestDeployedPod(t *testing.T) {
	all := readManifests(t, "../deploy/kubernetes/sidecar.yaml")
	pod := all["Deployment"].Spec.Template.Spec
	if len(pod.InitContainers) != 1 {
		t.Fatalf("%d sidecars", len(pod.InitContainers))
	}
	c := pod.InitContainers[0]
	if len(c.VolumeMounts) != 1 || c.VolumeMounts[0].MountPath+"/config.json" != deployedConfig || len(c.Command) > 0 {
		t.Fatalf("mounts %v, command %q", c.VolumeMounts, c.Command)
	}
	d := deploy(t, all["ConfigMap"].Data["config.json"])
	command := append([]string{deployedBinary}, c.Args...)
	p := d.start(command)
	for _, probe := range []probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
		if s := p.status(probe.HTTPGet.Path); s != 200 || probe.HTTPGet.Port != "admin" {
			t.Errorf("probe of %s at port %s: %d", probe.HTTPGet.Path, probe.HTTPGet.Port, s)
		}
	}
	p.signal(syscall.SIGTERM)
	p.wantEnd()
	if grace := time.Duration(pod.Grace) * time.Second; grace <= drainTime(t, command) {
		t.Errorf("the pod is given %v for a drain of %v", grace, drainTime(t, command))
	}
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
