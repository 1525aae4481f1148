package deploy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/conversion"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// converted is obj as the API server shows it in another version: converted by
// the strategy of the CRD, then cut to what the schema of that version knows.
func (s server) converted(t *testing.T, obj *unstructured.Unstructured, version string) *unstructured.Unstructured {
	t.Helper()

	crd, err := readCRD("crd/metallb.io_bgppeers.yaml")
	if err != nil {
		t.Fatal(err)
	}

	factory, err := conversion.NewCRConverterFactory(nil, nil)
	if err != nil {
		t.Fatal(err)
	}

	converter, _, err := factory.NewConverter(crd)
	if err != nil {
		t.Fatal(err)
	}

	gv := schema.GroupVersion{Group: "metallb.io", Version: version}

	out, err := converter.ConvertToVersion(obj, gv)
	if err != nil {
		t.Fatal(err)
	}

	u := out.(*unstructured.Unstructured)
	r := s[gv.WithKind(obj.GetKind())]

	pruning.Prune(u.Object, r.schema, true)
	defaulting.PruneNonNullableNullsWithoutDefaults(u.Object, r.schema)

	return u
}

// everyField is a BGPPeer with every field of v1beta2 set, as far as they go
// together.
const everyField = `
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: it, namespace: metallb-system}
spec:
  myASN: 64500
  localASN: 64501
  dynamicASN: external
  interface: eth0
  sourceAddress: 192.0.2.2
  peerPort: 1179
  holdTime: 90s
  keepaliveTime: 30s
  connectTime: 5s
  routerID: 192.0.2.3
  nodeSelectors: [{matchLabels: {rack: a}, matchExpressions: [{key: tor, operator: Exists}]}]
  passwordSecret: {name: tor, namespace: elsewhere}
  bfdProfile: fast
  enableGracefulRestart: true
  ebgpMultiHop: true
  vrf: red
  disableMP: true
  dualStackAddressFamily: true
`

// TestOldVersionLosesNothing: to read a peer through v1beta1 and write it back
// keeps every field, also those that v1beta1 never had.
func TestOldVersionLosesNothing(t *testing.T) {
	t.Parallel()

	s := newServer(t)

	stored, err := s.create(everyField)
	if err != nil {
		t.Fatal(err)
	}

	old := s.converted(t, stored, "v1beta1")
	if diff := cmp.Diff(stored.Object["spec"], old.Object["spec"]); diff != "" {
		t.Errorf("read through v1beta1 (-stored +read):\n%s", diff)
	}

	text, err := yaml.Marshal(old.Object)
	if err != nil {
		t.Fatal(err)
	}

	written, err := s.update(old, string(text))
	if err != nil {
		t.Fatalf("refused in v1beta1: %v", err)
	}

	if diff := cmp.Diff(stored.Object["spec"], s.converted(t, written, "v1beta2").Object["spec"]); diff != "" {
		t.Errorf("written back through v1beta1 (-stored +written):\n%s", diff)
	}
}

// TestOldVersionLeavesTimersUnset: what a v1beta1 manifest does not say is not
// said in v1beta2 either; 0s would turn the timers off.
func TestOldVersionLeavesTimersUnset(t *testing.T) {
	t.Parallel()

	s := newServer(t)

	created, err := s.create(strings.Replace(object("BGPPeer", peer("")), "v1beta2", "v1beta1", 1))
	if err != nil {
		t.Fatal(err)
	}

	want := map[string]any{
		"myASN": int64(64500), "peerASN": int64(64496), "peerAddress": "192.0.2.1",
		"peerPort": int64(179), "disableMP": false, "dualStackAddressFamily": false,
	}

	if diff := cmp.Diff(want, s.converted(t, created, "v1beta2").Object["spec"]); diff != "" {
		t.Errorf("in v1beta2 (-want +got):\n%s", diff)
	}
}

// TestVersionsHaveOneSchema: what one version accepts and means, the other does.
func TestVersionsHaveOneSchema(t *testing.T) {
	t.Parallel()

	crd, err := readCRD("crd/metallb.io_bgppeers.yaml")
	if err != nil {
		t.Fatal(err)
	}

	specs := map[string]any{}
	for _, version := range crd.Spec.Versions {
		specs[version.Name] = version.Schema.OpenAPIV3Schema.Properties["spec"]
	}

	if diff := cmp.Diff(specs["v1beta2"], specs["v1beta1"]); diff != "" {
		t.Errorf("the schemas differ (-v1beta2 +v1beta1):\n%s", diff)
	}
}
