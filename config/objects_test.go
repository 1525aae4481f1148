package config_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/api/v1beta2"
	"github.com/clarion-lb/clarion/config"
)

// objectsOf reads YAML documents of the kinds that Compile reads; it skips
// other kinds, and fails on fields that do not exist.
func objectsOf(t *testing.T, text string) config.Objects {
	t.Helper()

	var o config.Objects
	for doc := range bytes.SplitSeq([]byte(text), []byte("\n---")) {
		var head struct {
			Kind string `json:"kind"`
		}
		if err := yaml.Unmarshal(doc, &head); err != nil {
			t.Fatalf("failed to read a manifest: %v", err)
		}
		switch head.Kind {
		case "IPAddressPool":
			o.Pools = append(o.Pools, decode[v1beta1.IPAddressPool](t, doc))
		case "L2Advertisement":
			o.L2Advertisements = append(o.L2Advertisements, decode[v1beta1.L2Advertisement](t, doc))
		case "BGPAdvertisement":
			o.BGPAdvertisements = append(o.BGPAdvertisements, decode[v1beta1.BGPAdvertisement](t, doc))
		case "BGPPeer":
			o.Peers = append(o.Peers, decode[v1beta2.BGPPeer](t, doc))
		case "Community":
			o.Communities = append(o.Communities, decode[v1beta1.Community](t, doc))
		case "BFDProfile":
			o.BFDProfiles = append(o.BFDProfiles, decode[v1beta1.BFDProfile](t, doc))
		case "Secret":
			o.Secrets = append(o.Secrets, secretOf(t, doc))
		case "Namespace":
			o.Namespaces = append(o.Namespaces, decode[corev1.Namespace](t, doc))
		case "Node":
			o.Nodes = append(o.Nodes, decode[corev1.Node](t, doc))
		}
	}
	return o
}

// secretOf reads a Secret and does with its stringData what the API server does.
func secretOf(t *testing.T, doc []byte) corev1.Secret {
	t.Helper()

	secret := decode[corev1.Secret](t, doc)
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	for key, text := range secret.StringData {
		secret.Data[key] = []byte(text)
	}
	secret.StringData = nil
	return secret
}

func decode[T any](t *testing.T, doc []byte) T {
	t.Helper()

	var v T
	if err := yaml.UnmarshalStrict(doc, &v); err != nil {
		t.Fatalf("failed to read a manifest: %v\n%s", err, doc)
	}
	return v
}

// texts are the sentences of problems, in order.
func texts(problems []config.Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, p.Error())
	}
	return out
}

// addrsOf reads addresses separated by blanks.
func addrsOf(text string) []netip.Addr {
	var out []netip.Addr
	for word := range strings.FieldsSeq(text) {
		out = append(out, netip.MustParseAddr(word))
	}
	return out
}
