package announce_test

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// threeNodes are node-a to node-c with a pool for everybody; change may edit
// them. 192.0.2.1 ranks them c, a, b.
func threeNodes(t *testing.T, change func(*config.Objects)) *world {
	t.Helper()

	pool := v1beta1.IPAddressPool{ObjectMeta: metav1.ObjectMeta{Name: "pool"}}
	pool.Spec.Addresses = []string{"192.0.2.0/24", "2001:db8::/120"}
	o := config.Objects{
		Pools:            []v1beta1.IPAddressPool{pool},
		L2Advertisements: []v1beta1.L2Advertisement{{ObjectMeta: metav1.ObjectMeta{Name: "all"}}},
	}
	for i := range 3 {
		o.Nodes = append(o.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName(i)}})
	}
	if change != nil {
		change(&o)
	}
	w := &world{}
	w.snap, w.problems = config.Compile(o)
	w.shared.Services = []announce.Service{*service(1)}
	return w
}

// speakersOf writes hardware addresses as the nodes and links that memberOf gave
// them to.
func speakersOf[T ~[6]byte](macs []T) string {
	var out []string
	for _, m := range macs {
		out = append(out, fmt.Sprintf("%c%c", m[5], m[4]))
	}
	return strings.Join(out, " ")
}

// TestRivals defends P3: who claims an address of ours is right if it would own
// it, did we not think it dead, and not otherwise.
func TestRivals(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name         string
		nodes, gone  string // "a b", each with eth0 unless it says otherwise
		change       func(*config.Objects)
		owner        string
		before, know string
	}{
		{"the first", "a b c", "", nil, "node-c", "", "a0 b0"},
		{"after one that died", "a b", "c", nil, "node-a", "c0", "b0 c0"},
		{"after two that died", "b", "a c", nil, "node-b", "a0 c0", "a0 c0"},
		{"after one that nobody remembers", "a b", "", nil, "node-a", "", "b0"},
		{"after one that is not able", "a b c:none", "", nil, "node-a", "", "b0"},
		{"after one whose cable is back", "a b c:eth0:46r", "", nil, "node-a", "c0", "b0 c0"},
		{"the first of those whose cables are back", "a:eth0:46r b:eth0:46r c:eth0:46r", "", nil, "node-c", "", "a0 b0"},
		{"the last that has one", "a:none b:none c:eth0:46r", "", nil, "node-c", "", ""},
		{"after one that is leaving, and right to", "a b c", "", func(o *config.Objects) { leave(&o.Nodes[2]) }, "node-a", "", "b0 c0"},
		{"the last to leave", "c", "a b", func(o *config.Objects) { leave(&o.Nodes[2]) }, "node-c", "a0 b0", "a0 b0"},
		{"after one that must not", "a b", "c", func(o *config.Objects) {
			o.Nodes[2].Labels = map[string]string{corev1.LabelNodeExcludeBalancers: ""}
		}, "node-a", "", "b0 c0"},
		{"after one that is preferred", "a b", "c", func(o *config.Objects) {
			o.Nodes[0].Labels = map[string]string{"rack": "one"}
			o.L2Advertisements[0].Spec.PreferredNodeSelectors = []v1beta1.PreferredNodeSelector{
				{Weight: 1, Preference: metav1.LabelSelector{MatchLabels: map[string]string{"rack": "one"}}},
			}
		}, "node-a", "", "b0 c0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			w := threeNodes(t, tt.change)
			w.shared.Members = announce.Members{Known: true}
			for n := range strings.FieldsSeq(tt.nodes) {
				w.shared.Members.Nodes = append(w.shared.Members.Nodes, eth0Of(n))
			}
			for n := range strings.FieldsSeq(tt.gone) {
				w.shared.Members.Gone = append(w.shared.Members.Gone, eth0Of(n))
			}
			c := w.decide(tt.owner).Layer2
			if len(c.Announcements) != 1 {
				t.Fatalf("%s announces %v", tt.owner, c.Announcements)
			}
			if diff := cmp.Diff([]string{tt.before, tt.know}, []string{speakersOf(c.Announcements[0].Before), speakersOf(c.Speakers)}); diff != "" {
				t.Errorf("speakers before it, and all (-want +got):\n%s", diff)
			}
		})
	}
}

func leave(n *corev1.Node) {
	n.Spec.Unschedulable = true
	n.Annotations = map[string]string{config.KeyDrain: ""}
}

// eth0Of is the member "a" with eth0, or "a:none".
func eth0Of(text string) announce.Member {
	name, what, said := strings.Cut(text, ":")
	if !said {
		what = "eth0"
	}
	return memberOf("node-" + name + " " + what)
}

// TestWatched: of each pool that is announced at layer 2 the next three free
// addresses of each family are watched, each by one node that is able to.
func TestWatched(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name   string
		change func(*config.Objects)
		held   int // of the first addresses
		nodes  string
		want   string
	}{
		{"an empty pool", nil, 0, "a b c", "192.0.2.0 192.0.2.1 192.0.2.2 2001:db8:: 2001:db8::1 2001:db8::2"},
		{"some are held", nil, 3, "a b c", "192.0.2.0 192.0.2.4 192.0.2.5 2001:db8:: 2001:db8::1 2001:db8::2"},
		{"one family only", nil, 0, "a:none b:none c:eth0:4", "192.0.2.0 192.0.2.1 192.0.2.2"},
		{"nobody is able", nil, 0, "a:none b:none c:none", ""},
		{"some are withheld", func(o *config.Objects) { o.Pools[0].Spec.AvoidBuggyIPs = true }, 0, "a b c", "192.0.2.1 192.0.2.2 192.0.2.3 2001:db8:: 2001:db8::1 2001:db8::2"},
		{"not at layer 2", func(o *config.Objects) { o.L2Advertisements = nil }, 0, "a b c", ""},
		{"turned off", func(o *config.Objects) {
			o.Pools[0].Annotations = map[string]string{config.AnnotationConflictDetection: "off"}
		}, 0, "a b c", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			w := threeNodes(t, tt.change)
			w.shared.Services = nil
			for i := range tt.held {
				w.shared.Services = append(w.shared.Services, *service(i + 1))
			}
			w.shared.Members = announce.Members{Known: true}
			for n := range strings.FieldsSeq(tt.nodes) {
				w.shared.Members.Nodes = append(w.shared.Members.Nodes, eth0Of(n))
			}
			by := map[netip.Addr]string{}
			for _, node := range w.nodes() {
				for _, a := range w.decide(node).Layer2.Watched {
					if other, watched := by[a.Addr]; watched {
						t.Errorf("%s is watched by %s and %s", a.Addr, other, node)
					}
					by[a.Addr] = node
				}
			}
			var got []string
			for _, a := range slices.SortedFunc(maps.Keys(by), netip.Addr.Compare) {
				got = append(got, a.String())
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("watched (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNewOnlyWherePoolsAskForIt: a pool may have no conflict detection.
func TestNewOnlyWherePoolsAskForIt(t *testing.T) {
	t.Parallel()

	for value, want := range map[string]bool{"on": true, "off": false} {
		w := threeNodes(t, func(o *config.Objects) {
			o.Pools[0].Annotations = map[string]string{config.AnnotationConflictDetection: value}
		})
		w.shared.New = map[netip.Addr]struct{}{netip.MustParseAddr("192.0.2.1"): {}}
		w.shared.Members = alive(w.nodes()...)
		if a := w.decide("node-c").Layer2.Announcements; len(a) != 1 || a[0].New != want {
			t.Errorf("detection %s: announced is %+v", value, a)
		}
	}
}
