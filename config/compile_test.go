package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/config"
)

// TestProblems defends P6: the user is told, in a sentence.
func TestProblems(t *testing.T) {
	t.Parallel()

	archive, err := txtar.ParseFile("testdata/problems.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(archive.Files, 2) {
		name, isYAML := strings.CutSuffix(pair[0].Name, ".yaml")
		if !isYAML || pair[1].Name != name+".problems" {
			t.Fatalf("%q is not followed by its problems", pair[0].Name)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, problems := config.Compile(objectsOf(t, string(pair[0].Data)))
			var got strings.Builder
			for _, p := range problems {
				fmt.Fprintln(&got, p.Error())
			}
			if diff := cmp.Diff(string(pair[1].Data), got.String()); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// TestABadObjectDropsOutAlone defends P6: the others stay in force.
func TestABadObjectDropsOutAlone(t *testing.T) {
	t.Parallel()

	const objects = `
kind: IPAddressPool
metadata: {name: good}
spec: {addresses: [192.0.2.0/24]}
---
kind: IPAddressPool
metadata: {name: bad}
spec: {addresses: [198.51.100.0/24, nonsense]}
---
kind: L2Advertisement
metadata: {name: good}
---
kind: L2Advertisement
metadata: {name: bad}
spec: {serviceSelectors: [{matchExpressions: [{key: a, operator: Is}]}]}
`
	snap, problems := config.Compile(objectsOf(t, objects))
	want := map[string][]string{
		"good": {"192.0.2.0-192.0.2.255", "advertised by good"},
		"bad":  {"suspended", "198.51.100.0-198.51.100.255", "advertised by good"},
	}
	if diff := cmp.Diff(want, summary(snap)); diff != "" {
		t.Errorf("pools (-want +got):\n%s", diff)
	}
	if len(problems) != 2 {
		t.Errorf("problems = %q, want one for each bad object", texts(problems))
	}
}

func TestNodesAreSorted(t *testing.T) {
	t.Parallel()

	var o config.Objects
	for _, name := range []string{"n2", "n10", "n1"} {
		o.Nodes = append(o.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	snap, _ := config.Compile(o)
	for i, name := range []string{"n1", "n10", "n2"} {
		if snap.Nodes[i].Name != name || snap.NodeIndex(name) != i {
			t.Errorf("node %d is %s, and %s stands at %d", i, snap.Nodes[i].Name, name, snap.NodeIndex(name))
		}
	}
	if got := snap.NodeIndex("n"); got != -1 {
		t.Errorf("NodeIndex of an unknown node = %d, want -1", got)
	}
}
