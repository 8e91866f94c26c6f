// SPDX-License-Identifier: Apache-2.0

// Package manifests reads deploy/kubernetes by the types of Kubernetes' own API:
// what these do not know, or have in another form, fails.
package manifests

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// objects are the manifests of one file.
type objects struct {
	configs     []core.ConfigMap
	deployments []apps.Deployment
	services    []core.Service
	policies    []networking.NetworkPolicy
	budgets     []policy.PodDisruptionBudget
}

func read[T any](t *testing.T, list *[]T, doc []byte) {
	t.Helper()
	var o T
	if err := strict.UnmarshalStrict(doc, &o); err != nil {
		t.Fatalf("%v in:\n%s", err, doc)
	}
	*list = append(*list, o)
}

func load(t *testing.T, path string) *objects {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	o := new(objects)
	docs := yaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(text)))
	for {
		doc := make([]byte, len(text))
		n, err := docs.Read(doc)
		if errors.Is(err, io.EOF) {
			return o
		}
		if err != nil {
			t.Fatal(err)
		}
		doc = doc[:n]
		var kind struct {
			meta.TypeMeta `json:",inline"`
			Metadata      meta.ObjectMeta `json:"metadata"`
		}
		if err := strict.Unmarshal(doc, &kind); err != nil {
			t.Fatal(err)
		}
		for _, wrong := range validation.IsDNS1123Subdomain(kind.Metadata.Name) {
			t.Errorf("%s %q: %s", kind.Kind, kind.Metadata.Name, wrong)
		}
		switch kind.APIVersion + " " + kind.Kind {
		case "v1 ConfigMap":
			read(t, &o.configs, doc)
		case "apps/v1 Deployment":
			read(t, &o.deployments, doc)
		case "v1 Service":
			read(t, &o.services, doc)
		case "networking.k8s.io/v1 NetworkPolicy":
			read(t, &o.policies, doc)
		case "policy/v1 PodDisruptionBudget":
			read(t, &o.budgets, doc)
		default:
			t.Fatalf("%s %s is not known here", kind.APIVersion, kind.Kind)
		}
	}
}

func TestManifests(t *testing.T) {
	files, err := filepath.Glob("../../deploy/kubernetes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d manifests, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			o := load(t, path)
			for i := range o.deployments {
				o.deployment(t, &o.deployments[i])
			}
		})
	}
}

// deployment checks what the types do not: references, selectors, and that the pod
// is confined.
func (o *objects) deployment(t *testing.T, d *apps.Deployment) {
	pod := &d.Spec.Template
	selects := func(what string, s *meta.LabelSelector) {
		t.Helper()
		selector, err := meta.LabelSelectorAsSelector(s)
		if err != nil || selector.Empty() || !selector.Matches(labels.Set(pod.Labels)) {
			t.Errorf("%s does not select the pods: %v", what, err)
		}
	}
	selects("the deployment", d.Spec.Selector)
	for i := range o.budgets {
		selects("the disruption budget", o.budgets[i].Spec.Selector)
	}
	for i := range o.policies {
		selects("the network policy", &o.policies[i].Spec.PodSelector)
		for _, rule := range o.policies[i].Spec.Ingress {
			for _, p := range rule.Ports {
				wantPort(t, &pod.Spec, *p.Port)
			}
		}
	}
	for i := range o.services {
		selects("the service", meta.SetAsLabelSelector(o.services[i].Spec.Selector))
		for _, p := range o.services[i].Spec.Ports {
			wantPort(t, &pod.Spec, p.TargetPort)
		}
	}
	if p, err := strconv.Atoi(pod.Annotations["prometheus.io/port"]); err != nil {
		t.Error(err)
	} else {
		wantPort(t, &pod.Spec, intstr.FromInt(p))
	}
	o.volumes(t, &pod.Spec)
	sidecar(t, &pod.Spec)
}

// wantPort checks that a container has the port.
func wantPort(t *testing.T, pod *core.PodSpec, port intstr.IntOrString) {
	t.Helper()
	for _, c := range pod.InitContainers {
		for _, p := range c.Ports {
			if port.Type == intstr.String && p.Name == port.StrVal || port.Type == intstr.Int && p.ContainerPort == port.IntVal {
				return
			}
		}
	}
	t.Errorf("no container has the port %v", port.String())
}

// volumes checks that mounts have volumes, and these their ConfigMaps.
func (o *objects) volumes(t *testing.T, pod *core.PodSpec) {
	sources := make(map[string]string)
	for _, v := range pod.Volumes {
		if v.ConfigMap == nil {
			t.Errorf("volume %s is no ConfigMap", v.Name)
			continue
		}
		sources[v.Name] = v.ConfigMap.Name
	}
	for _, c := range pod.InitContainers {
		for _, m := range c.VolumeMounts {
			found := false
			for i := range o.configs {
				found = found || o.configs[i].Name == sources[m.Name] && o.configs[i].Data["config.json"] != ""
			}
			if !found || m.SubPath != "" {
				t.Errorf("%s mounts %s, which has no config.json or would not follow it", c.Name, m.Name)
			}
		}
	}
}

// sidecar checks the proxy's container: a native sidecar under the restricted pod
// security standard, with all probes.
func sidecar(t *testing.T, pod *core.PodSpec) {
	if len(pod.InitContainers) != 1 {
		t.Fatalf("%d sidecars", len(pod.InitContainers))
	}
	c := &pod.InitContainers[0]
	if c.RestartPolicy == nil || *c.RestartPolicy != core.ContainerRestartPolicyAlways {
		t.Error("it is no native sidecar: restartPolicy")
	}
	s, all := c.SecurityContext, pod.SecurityContext
	if s == nil || all == nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !*all.RunAsNonRoot || *all.RunAsUser == 0 ||
		all.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault ||
		len(s.Capabilities.Drop) != 1 || s.Capabilities.Drop[0] != "ALL" || len(s.Capabilities.Add) > 0 {
		t.Errorf("it is not confined: %v, %v", s, all)
	}
	for name, p := range map[string]*core.Probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
		if p == nil || p.HTTPGet == nil {
			t.Errorf("no %s probe", name)
			continue
		}
		wantPort(t, pod, p.HTTPGet.Port)
	}
	if c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().Cmp(*c.Resources.Requests.Memory()) < 0 {
		t.Errorf("resources %v", c.Resources)
	}
	// What ends before the sidecar shares the pod's time with it.
	left := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
	for _, service := range pod.Containers {
		if service.Lifecycle != nil && service.Lifecycle.PreStop != nil && service.Lifecycle.PreStop.Sleep != nil {
			left -= time.Duration(service.Lifecycle.PreStop.Sleep.Seconds) * time.Second
		}
	}
	for i, arg := range c.Args {
		if arg == "--drain-time" {
			if drain, err := time.ParseDuration(c.Args[i+1]); err != nil || left <= drain {
				t.Errorf("%v are left for a drain of %s, %v", left, c.Args[i+1], err)
			}
			return
		}
	}
	t.Error("no --drain-time")
}
