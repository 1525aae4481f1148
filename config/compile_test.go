package config_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go4.org/netipx"
	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/api/v1beta1"
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

// FuzzCompile: whatever is applied, nothing panics, the outcome does not
// depend on the order of the objects, pools in force are disjoint, and an
// object is out of force exactly if a problem names it.
func FuzzCompile(f *testing.F) {
	f.Add("192.0.2.0/24", []byte{})
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		rolls := make([]byte, 200)
		for i := range rolls {
			rolls[i] = byte(r.Uint32())
		}
		f.Add("192.0.2.16-192.0.2.99", rolls)
	}
	f.Fuzz(func(t *testing.T, text string, rolls []byte) {
		d := dice(rolls)
		o := d.objects(text)
		snap, problems := config.Compile(o)

		blamed := map[string]bool{}
		for _, p := range problems {
			if p.Kind == "" || p.Name == "" || p.Field == "" || p.Reason == "" {
				t.Errorf("problem %q does not name kind, name, field and reason", p)
			}
			blamed[p.Kind+" "+p.Name] = true
		}
		var inForce []netipx.IPRange
		for _, p := range snap.Pools {
			if p.Suspended != blamed["IPAddressPool "+p.Name] {
				t.Errorf("pool %s: suspended = %v, and a problem names it = %v", p.Name, p.Suspended, !p.Suspended)
			}
			for _, ad := range p.L2 {
				if blamed["L2Advertisement "+ad.Name] {
					t.Errorf("pool %s is advertised by %s, which has a problem", p.Name, ad.Name)
				}
			}
			if p.Suspended {
				continue
			}
			for _, r := range p.Ranges {
				if slices.ContainsFunc(inForce, r.Overlaps) {
					t.Errorf("pool %s: %s overlaps another range in force", p.Name, r)
				}
				if snap.PoolOf(addrsOf(r.From().String()+" "+r.To().String()), "") != p {
					t.Errorf("pool %s: the ends of %s are not found", p.Name, r)
				}
				inForce = append(inForce, r)
			}
		}

		slices.Reverse(o.Pools)
		slices.Reverse(o.L2Advertisements)
		slices.Reverse(o.Nodes)
		again, problemsAgain := config.Compile(o)
		if diff := cmp.Diff(summary(snap), summary(again)); diff != "" {
			t.Errorf("another order of the objects gives other pools:\n%s", diff)
		}
		if diff := cmp.Diff(problems, problemsAgain); diff != "" {
			t.Errorf("another order of the objects gives other problems:\n%s", diff)
		}
	})
}

// dice makes choices out of fuzzed bytes; when they run out it rolls zeros.
type dice []byte

func (d *dice) roll(n int) int {
	if len(*d) == 0 {
		return 0
	}
	b := (*d)[0]
	*d = (*d)[1:]
	return int(b) % n
}

// objects are a few of everything, some of it wrong; text is one address entry.
func (d *dice) objects(text string) config.Objects {
	var o config.Objects
	for i := range d.roll(5) {
		pool := poolOf(fmt.Sprintf("pool-%d", i), d.roll(3))
		pool.Labels = d.labels()
		for range d.roll(4) {
			pool.Spec.Addresses = append(pool.Spec.Addresses, d.addresses(text))
		}
		if d.roll(3) == 0 {
			pool.Spec.ServiceAllocation = &v1beta1.ServiceAllocation{
				Priority: d.roll(9) - 1, NamespaceSelectors: d.selectors(), ServiceSelectors: d.selectors(),
			}
		}
		o.Pools = append(o.Pools, pool)
	}
	for i := range d.roll(4) {
		ad := v1beta1.L2Advertisement{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("ad-%d", i)}}
		ad.Spec.IPAddressPoolSelectors = d.selectors()
		ad.Spec.NodeSelectors = d.selectors()
		ad.Spec.ServiceSelectors = d.selectors()
		for _, s := range d.selectors() {
			ad.Spec.PreferredNodeSelectors = append(ad.Spec.PreferredNodeSelectors,
				v1beta1.PreferredNodeSelector{Weight: int32(d.roll(120)), Preference: s})
		}
		o.L2Advertisements = append(o.L2Advertisements, ad)
	}
	for i := range d.roll(4) {
		o.Nodes = append(o.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%d", i), Labels: d.labels()}})
		o.Namespaces = append(o.Namespaces, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("ns%d", i), Labels: d.labels()}})
	}
	return o
}

func (d *dice) addresses(text string) string {
	switch d.roll(6) {
	case 0:
		return text
	case 1:
		return fmt.Sprintf("192.0.2.%d-192.0.2.%d", d.roll(256), d.roll(256))
	case 2:
		return fmt.Sprintf("2001:db8::%x/%d", d.roll(256), d.roll(130))
	case 3:
		return fmt.Sprintf("2001:db8::%x-2001:db8::%x", d.roll(256), d.roll(256))
	default:
		return fmt.Sprintf("192.0.2.%d/%d", d.roll(256), 24+d.roll(9))
	}
}

func (d *dice) labels() map[string]string {
	return map[string]string{"a": fmt.Sprint(d.roll(3)), "b": fmt.Sprint(d.roll(3))}
}

func (d *dice) selectors() []metav1.LabelSelector {
	var out []metav1.LabelSelector
	for range d.roll(3) {
		operators := []metav1.LabelSelectorOperator{"In", "In", "In", "NotIn", "Exists", "Is"}
		out = append(out, metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: []string{"a", "b"}[d.roll(2)], Operator: operators[d.roll(len(operators))], Values: []string{fmt.Sprint(d.roll(3))},
		}}})
	}
	return out
}
