package deploy_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/api/v1beta2"
	"github.com/clarion-lb/clarion/config"
)

// manifest is one object of a file.
type manifest struct {
	file   string
	text   string
	object runtime.Object
}

// manifests are all objects under the directories, decoded with every field
// known. Kustomizations, which are no objects, are left out.
func manifests(t *testing.T, dirs ...string) []manifest {
	t.Helper()

	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, v1beta1.AddToScheme, v1beta2.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}

	strict := json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Yaml: true, Strict: true})

	var all []manifest

	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(file) != ".yaml" || d.Name() == "kustomization.yaml" {
				return err
			}

			for _, text := range documents(t, file) {
				obj, _, err := strict.Decode([]byte(text), nil, nil)
				if err != nil {
					t.Errorf("%s: %v", file, err)
					continue
				}

				all = append(all, manifest{file, text, obj})
			}

			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}

	if len(all) == 0 {
		t.Fatalf("found no manifest in %v", dirs)
	}

	return all
}

func documents(t *testing.T, file string) []string {
	t.Helper()

	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}

	var all []string

	for r := utilyaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(content))); ; {
		text := make([]byte, len(content))

		n, err := r.Read(text)
		if errors.Is(err, io.EOF) {
			return all
		}

		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}

		if doc := string(text[:n]); strings.TrimSpace(doc) != "" {
			all = append(all, doc)
		}
	}
}

// TestManifestsAreAccepted: what we ship and show, an API server takes.
func TestManifestsAreAccepted(t *testing.T) {
	t.Parallel()

	s := newServer(t)

	for _, m := range manifests(t, ".", "../examples") {
		gvk := m.object.GetObjectKind().GroupVersionKind()
		if gvk.Group != "metallb.io" {
			continue
		}

		if _, err := s.create(m.text); err != nil {
			t.Errorf("%s: %v", m.file, err)
		}
	}
}

// TestKustomizationsAreComplete: no manifest is forgotten.
func TestKustomizationsAreComplete(t *testing.T) {
	t.Parallel()

	for _, dir := range []string{".", "crd", "rbac"} {
		text, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml"))
		if err != nil {
			t.Fatal(err)
		}

		var k struct{ Resources []string }
		if err := yaml.Unmarshal(text, &k); err != nil {
			t.Fatal(err)
		}

		var want []string

		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}

		for _, e := range entries {
			_, err := os.Stat(filepath.Join(dir, e.Name(), "kustomization.yaml"))
			if err == nil || filepath.Ext(e.Name()) == ".yaml" && e.Name() != "kustomization.yaml" {
				want = append(want, e.Name())
			}
		}

		slices.Sort(k.Resources)

		if diff := cmp.Diff(want, k.Resources); diff != "" {
			t.Errorf("%s (-files +listed):\n%s", dir, diff)
		}
	}
}

// writes are verbs that change something.
func writes(verbs []string) []string {
	return slices.DeleteFunc(slices.Clone(verbs), func(v string) bool { return v == "get" || v == "list" || v == "watch" })
}

// granted collects which resources an account may write, in its own namespace
// or in all, as "group/resource verb".
func granted(t *testing.T, account string) []string {
	t.Helper()

	var all []string

	for _, m := range manifests(t, "rbac") {
		var rules []rbacv1.PolicyRule

		switch o := m.object.(type) {
		case *rbacv1.ClusterRole:
			rules = o.Rules
		case *rbacv1.Role:
			rules = o.Rules
		}

		if m.file != filepath.Join("rbac", account+".yaml") {
			continue
		}

		for _, r := range rules {
			for _, resource := range r.Resources {
				for _, group := range r.APIGroups {
					for _, verb := range writes(r.Verbs) {
						all = append(all, strings.TrimPrefix(group+"/", "/")+resource+" "+verb)
					}
				}
			}
		}
	}

	slices.Sort(all)

	return all
}

// TestLeastPrivilege defends P9: all that the programs may write. Whoever adds
// a line here says why.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()

	metrics := []string{
		"authentication.k8s.io/tokenreviews create",
		"authorization.k8s.io/subjectaccessreviews create",
	}
	told := []string{
		"events create", "events patch",
		"events.k8s.io/events create", "events.k8s.io/events patch",
		"metallb.io/configurationstates create",
		"metallb.io/configurationstates/status patch", "metallb.io/configurationstates/status update",
	}

	for account, own := range map[string][]string{
		"controller": {
			"coordination.k8s.io/leases create", "coordination.k8s.io/leases update",
			"metallb.io/ipaddresspools/status patch", "metallb.io/ipaddresspools/status update",
			// The claim on each address in use.
			"networking.k8s.io/ipaddresses create", "networking.k8s.io/ipaddresses delete", "networking.k8s.io/ipaddresses patch",
			"secrets create",
			"services/status patch", "services/status update",
		},
		"speaker": {
			"metallb.io/servicebgpstatuses create", "metallb.io/servicebgpstatuses delete",
			"metallb.io/servicebgpstatuses/status patch", "metallb.io/servicebgpstatuses/status update",
			"metallb.io/servicel2statuses create", "metallb.io/servicel2statuses delete",
			"metallb.io/servicel2statuses/status patch", "metallb.io/servicel2statuses/status update",
			// A host outside the cluster uses the address. It is said where addresses are
			// claimed, so that nobody is given it; a Service a speaker cannot write. When it
			// is over is for the controller to say, so a speaker deletes no claim.
			"networking.k8s.io/ipaddresses create", "networking.k8s.io/ipaddresses patch",
		},
	} {
		want := slices.Concat(metrics, told, own)
		slices.Sort(want)

		if diff := cmp.Diff(want, granted(t, account)); diff != "" {
			t.Errorf("%s (-want +granted):\n%s", account, diff)
		}
	}
}

// TestSecretsAreRead defends P9: by whom, and which. The passwords of BGP sessions
// are in Secrets of the user's naming, so a speaker cannot be held to names.
func TestSecretsAreRead(t *testing.T) {
	t.Parallel()

	got := map[string][]string{}

	for _, m := range manifests(t, "rbac") {
		var rules []rbacv1.PolicyRule

		switch o := m.object.(type) {
		case *rbacv1.ClusterRole:
			rules = o.Rules
		case *rbacv1.Role:
			rules = o.Rules
		}

		for _, r := range rules {
			if slices.Contains(r.Resources, "secrets") && len(writes(r.Verbs)) < len(r.Verbs) {
				kind := m.object.GetObjectKind().GroupVersionKind().Kind
				got[filepath.Base(m.file)+" "+kind] = slices.Concat(r.Verbs, r.ResourceNames)
			}
		}
	}

	want := map[string][]string{
		"controller.yaml Role": {"get", "memberlist"},
		"speaker.yaml Role":    {"list", "watch"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verbs and names (-want +got):\n%s", diff)
	}
}

// TestPodsAreConfined defends P9: not root, nothing writable, and no capability
// but NET_RAW for the speaker.
func TestPodsAreConfined(t *testing.T) {
	t.Parallel()

	want := map[string][]corev1.Capability{"controller": nil, "speaker": {"NET_RAW"}}
	got := map[string][]corev1.Capability{}

	for _, m := range manifests(t, ".") {
		var pod corev1.PodSpec

		switch o := m.object.(type) {
		case *appsv1.Deployment:
			pod = o.Spec.Template.Spec
		case *appsv1.DaemonSet:
			pod = o.Spec.Template.Spec
		default:
			continue
		}

		p := pod.SecurityContext
		if p == nil || p.RunAsNonRoot == nil || !*p.RunAsNonRoot || p.RunAsUser == nil || *p.RunAsUser != 65534 ||
			p.SeccompProfile == nil || p.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || pod.HostPID || pod.HostIPC {
			t.Errorf("%s: the pod is not confined: %+v", m.file, p)
		}

		for _, v := range pod.Volumes {
			if v.HostPath != nil {
				t.Errorf("%s: volume %s is a directory of the host", m.file, v.Name)
			}
		}

		for _, c := range pod.Containers {
			s := c.SecurityContext
			if s == nil || s.Privileged != nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation ||
				s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
				s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) {
				t.Errorf("%s: container %s is not confined: %+v", m.file, c.Name, s)
				continue
			}

			got[c.Name] = s.Capabilities.Add
		}
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("capabilities (-want +got):\n%s", diff)
	}
}

// TestVolumesAreFollowed: kubelets never update what is mounted with subPath, and
// speakers read their lists and keys as they change.
func TestVolumesAreFollowed(t *testing.T) {
	t.Parallel()

	for _, m := range manifests(t, ".") {
		set, ok := m.object.(*appsv1.DaemonSet)
		if !ok {
			continue
		}

		for _, c := range set.Spec.Template.Spec.Containers {
			if len(c.VolumeMounts) == 0 {
				t.Errorf("%s: container %s mounts nothing", m.file, c.Name)
			}

			for _, v := range c.VolumeMounts {
				if v.SubPath != "" || v.SubPathExpr != "" {
					t.Errorf("%s: %s is mounted with subPath", m.file, v.MountPath)
				}
			}
		}
	}
}

// TestShippedExcludeList: a speaker that cannot read the list knows the one that
// is shipped.
func TestShippedExcludeList(t *testing.T) {
	t.Parallel()

	var configMap corev1.ConfigMap
	text, err := os.ReadFile("excludel2.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &configMap); err != nil {
		t.Fatal(err)
	}
	shipped, err := config.ParseExcludeList([]byte(configMap.Data["excludel2.yaml"]))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(shipped, config.ShippedExcludeList(), cmp.Comparer(func(a, b *regexp.Regexp) bool { return a.String() == b.String() })); diff != "" {
		t.Errorf("(-deploy +config):\n%s", diff)
	}
}
