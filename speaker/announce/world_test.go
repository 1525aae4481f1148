package announce_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// world is a whole cluster: what all its nodes see alike, and what each sees
// of itself.
type world struct {
	snap     *config.Snapshot
	problems []config.Problem
	shared   announce.Shared
	links    map[string][]announce.Link // by node
	exclude  []*regexp.Regexp
}

// local returns the facts of one node; a node whose links are not given has
// one called eth0.
func (w *world) local(node string) announce.Local {
	links, given := w.links[node]
	if !given {
		links = []announce.Link{linkOf("eth0")}
	}
	return announce.Local{Node: node, Links: links, Exclude: w.exclude}
}

// decide returns what one node does.
func (w *world) decide(node string) announce.Decision {
	return announce.Decide(w.snap, announce.View{Shared: w.shared, Local: w.local(node)})
}

// setObjects replaces the configuration and the Services by those of YAML
// documents. It fails on kinds and fields that do not exist.
func (w *world) setObjects(t *testing.T, text []byte) {
	t.Helper()

	var objects config.Objects
	endpoints := map[types.NamespacedName][]*discoveryv1.EndpointSlice{}
	w.shared.Services = nil
	for doc := range bytes.SplitSeq(text, []byte("\n---")) {
		var head struct {
			Kind string `json:"kind"`
		}
		if err := yaml.Unmarshal(doc, &head); err != nil {
			t.Fatalf("failed to read an object: %v\n%s", err, doc)
		}
		switch head.Kind {
		case "IPAddressPool":
			objects.Pools = append(objects.Pools, decode[v1beta1.IPAddressPool](t, doc))
		case "L2Advertisement":
			objects.L2Advertisements = append(objects.L2Advertisements, decode[v1beta1.L2Advertisement](t, doc))
		case "Node":
			objects.Nodes = append(objects.Nodes, decode[corev1.Node](t, doc))
		case "Service":
			svc := decode[corev1.Service](t, doc)
			w.shared.Services = append(w.shared.Services, announce.Service{Service: config.ParseService(&svc)})
		case "EndpointSlice":
			slice := decode[discoveryv1.EndpointSlice](t, doc)
			of := types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
			endpoints[of] = append(endpoints[of], &slice)
		default:
			t.Fatalf("no story needs a %q", head.Kind)
		}
	}
	for i := range w.shared.Services {
		svc := &w.shared.Services[i]
		svc.Endpoints = config.ParseEndpoints(endpoints[svc.Name])
	}
	w.snap, w.problems = config.Compile(objects)
}

func decode[T any](t *testing.T, doc []byte) T {
	t.Helper()

	var v T
	if err := yaml.UnmarshalStrict(doc, &v); err != nil {
		t.Fatalf("failed to read an object: %v\n%s", err, doc)
	}
	return v
}

// linkOf reads a link written as its name and what is wrong with it:
// "eth0", "eth1:no-carrier", "bond0:no-link-local,no-broadcast".
func linkOf(text string) announce.Link {
	name, faults, _ := strings.Cut(text, ":")
	l := announce.Link{
		Name: name, Index: int(name[len(name)-1]), MAC: layer2.MAC{2, 0, 0, 0, 0, name[len(name)-1]},
		Up: true, Carrier: true, Broadcast: true, LinkLocal: netip.MustParseAddr("fe80::1"),
	}
	for fault := range strings.SplitSeq(faults, ",") {
		switch fault {
		case "":
		case "down":
			l.Up, l.Carrier = false, false
		case "no-carrier":
			l.Carrier = false
		case "no-arp":
			l.NoARP = true
		case "no-broadcast":
			l.Broadcast = false
		case "no-link-local":
			l.LinkLocal = netip.Addr{}
		case "no-mac":
			l.MAC = layer2.MAC{}
		case "in-bridge":
			l.Master = "br0"
		default:
			panic("no such fault of a link: " + fault)
		}
	}
	return l
}

// nodes are the names of all nodes.
func (w *world) nodes() []string {
	var names []string
	for _, n := range w.snap.Nodes {
		names = append(names, n.Name)
	}
	return names
}

// check holds the invariants of any world: one answerer for each address (P3),
// one verdict with a reason for each Service and address (P7), and no
// announcement without a verdict that says so.
func (w *world) check(t *testing.T) {
	t.Helper()

	answerer := map[netip.Addr]string{}
	for _, node := range w.nodes() {
		d := w.decide(node)
		said := map[netip.Addr][]string{}
		for i, v := range d.Verdicts {
			if v.Reason == "" || v.Announced() != (len(v.Interfaces) > 0) {
				t.Errorf("%s: verdict without reason or with interfaces that it does not use: %+v", node, v)
			}
			if i > 0 && d.Verdicts[i-1].Key == v.Key {
				t.Errorf("%s: two verdicts on %+v", node, v.Key)
			}
			if v.Announced() {
				said[v.Addr] = v.Interfaces
			}
		}
		for i, a := range d.Layer2.Announcements {
			if other, taken := answerer[a.Addr]; taken {
				t.Errorf("%s is announced by %s and by %s", a.Addr, other, node)
			}
			answerer[a.Addr] = node
			if i > 0 && !d.Layer2.Announcements[i-1].Addr.Less(a.Addr) {
				t.Errorf("%s: announcements are not sorted", node)
			}
			if !slices.Equal(said[a.Addr], a.Interfaces) {
				t.Errorf("%s: answers for %s on %v, and the verdicts say %v", node, a.Addr, a.Interfaces, said[a.Addr])
			}
			delete(said, a.Addr)
		}
		if len(said) > 0 {
			t.Errorf("%s: verdicts say announced, and nothing is: %v", node, said)
		}
	}
}

// tell writes the decision of every node for a person.
func (w *world) tell() string {
	var b strings.Builder
	for _, p := range w.problems {
		fmt.Fprintf(&b, "problem: %s\n", p.Error())
	}
	for _, node := range w.nodes() {
		fmt.Fprintln(&b, node)
		d := w.decide(node)
		for _, a := range d.Layer2.Announcements {
			fmt.Fprintf(&b, "  answers %s on %s\n", a.Addr, strings.Join(a.Interfaces, " "))
		}
		for _, v := range d.Verdicts {
			fmt.Fprintf(&b, "  %s", v.Service)
			if v.Addr.IsValid() {
				fmt.Fprintf(&b, " %s", v.Addr)
			}
			fmt.Fprintf(&b, " %s", v.Reason)
			if v.Detail != "" {
				fmt.Fprintf(&b, ": %s", v.Detail)
			}
			if len(v.Selected) > 0 {
				fmt.Fprintf(&b, " (selected: %s)", strings.Join(v.Selected, " "))
			}
			if v.Owner != "" && v.Owner != node {
				fmt.Fprintf(&b, " (owner: %s)", v.Owner)
			}
			fmt.Fprintln(&b)
		}
	}
	return b.String()
}
