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
	"github.com/clarion-lb/clarion/api/v1beta2"
	"github.com/clarion-lb/clarion/bgp"
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
	links    map[string][]announce.Link       // by node
	routers  map[string]map[string]netip.Addr // by node and link
	exclude  []*regexp.Regexp
}

// alive are members that do not say what they can announce on.
func alive(names ...string) announce.Members {
	m := announce.Members{Known: true}
	for _, name := range slices.Sorted(slices.Values(names)) {
		m.Nodes = append(m.Nodes, announce.Member{Name: name})
	}
	return m
}

// lives reports whether a node has a live speaker, as far as is known.
func (w *world) lives(node string) bool {
	m := w.shared.Members
	return !m.Known || slices.ContainsFunc(m.Nodes, func(m announce.Member) bool { return m.Name == node })
}

// local returns the facts of one node; a node whose links are not given has
// one called eth0.
func (w *world) local(node string) announce.Local {
	links, given := w.links[node]
	if !given {
		links = []announce.Link{linkOf("eth0")}
	}
	return announce.Local{Node: node, Links: links, Exclude: w.exclude, Routers: w.routers[node]}
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
		case "BGPAdvertisement":
			objects.BGPAdvertisements = append(objects.BGPAdvertisements, decode[v1beta1.BGPAdvertisement](t, doc))
		case "BGPPeer":
			objects.Peers = append(objects.Peers, decode[v1beta2.BGPPeer](t, doc))
		case "BFDProfile":
			objects.BFDProfiles = append(objects.BFDProfiles, decode[v1beta1.BFDProfile](t, doc))
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

// memberOf reads what a speaker says of its node, written as the name and the
// links: "node-a eth0 eth1:4", "node-b none", "node-c eth0:46r", whose link is
// recovering. One that is only a name does not say.
func memberOf(text string) announce.Member {
	words := strings.Fields(text)
	m := announce.Member{Name: words[0], LinksKnown: len(words) > 1}
	for _, word := range words[1:] {
		if name, families, limited := strings.Cut(word, ":"); word != "none" {
			m.Links = append(m.Links, announce.MemberLink{
				Name: name, IPv4: !limited || strings.Contains(families, "4"), IPv6: !limited || strings.Contains(families, "6"),
				Recovering: strings.Contains(families, "r"),
				MAC:        layer2.MAC{2, 0, 0, 0, name[len(name)-1], words[0][len(words[0])-1]},
			})
		}
	}
	return m
}

// linkOf reads a link written as its name, its networks and what is wrong with
// it: "eth0", "eth1:no-carrier", "bond0:192.0.2.7/24,no-link-local".
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
			l.Prefixes = append(l.Prefixes, netip.MustParsePrefix(fault))
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

// check holds the invariants of any world: at layer 2 one answerer for each
// address (P3), for each Service and address one verdict of each protocol with a
// reason (P7), and no announcement without a verdict that says so.
func (w *world) check(t *testing.T) {
	t.Helper()

	answerer, watcher := map[netip.Addr]string{}, map[netip.Addr]string{}
	for _, node := range w.nodes() {
		d := w.decide(node)
		for _, a := range d.Layer2.Watched {
			if other, watched := watcher[a.Addr]; watched {
				t.Errorf("%s is watched by %s and by %s", a.Addr, other, node)
			}
			watcher[a.Addr] = node
		}
		protocols := map[types.NamespacedName]map[netip.Addr]int{}
		for i, v := range d.Verdicts {
			if v.Reason == "" || v.Announced() != (len(v.Interfaces)+len(v.Peers) > 0) ||
				len(v.Interfaces) > 0 && v.Protocol != announce.Layer2 || len(v.Peers) > 0 && v.Protocol != announce.BGP {
				t.Errorf("%s: verdict without reason, or with means that it does not use: %+v", node, v)
			}
			if i > 0 && d.Verdicts[i-1].Key == v.Key {
				t.Errorf("%s: two verdicts on %+v", node, v.Key)
			}
			if protocols[v.Service] == nil {
				protocols[v.Service] = map[netip.Addr]int{}
			}
			protocols[v.Service][v.Addr]++
		}
		for name, addrs := range protocols {
			for a, n := range addrs {
				if a.IsValid() && n != 2 {
					t.Errorf("%s: %d verdicts on %s of %s, want one of each protocol", node, n, a, name)
				}
			}
		}
		w.checkAnswers(t, node, d, answerer)
		w.checkRoutes(t, node, d)
	}
}

// checkAnswers holds what one node answers for against its verdicts, and against
// the answerers of other nodes.
func (w *world) checkAnswers(t *testing.T, node string, d announce.Decision, answerer map[netip.Addr]string) {
	t.Helper()

	for _, a := range d.Layer2.Watched {
		if slices.ContainsFunc(w.shared.Services, func(s announce.Service) bool {
			return s.LoadBalancer && slices.Contains(s.Addresses, a.Addr)
		}) {
			t.Errorf("%s: watches %s, which is not free", node, a.Addr)
		}
	}
	said := map[netip.Addr][]string{}
	for _, v := range d.Verdicts {
		if v.Announced() && v.Protocol == announce.Layer2 {
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

// checkRoutes holds what one node tells its peers against its verdicts: each
// address announced is in a route to each peer named, and no route is without
// such an address.
func (w *world) checkRoutes(t *testing.T, node string, d announce.Decision) {
	t.Helper()

	for i := range d.BGP.Peers {
		p := &d.BGP.Peers[i]
		if !p.Session.Address.IsValid() {
			t.Errorf("%s: peer %s has no address", node, p.Name)
		}
		needed := map[netip.Prefix]bool{}
		for _, v := range d.Verdicts {
			if v.Protocol != announce.BGP || v.Reason != announce.NodeDraining && !slices.Contains(v.Peers, p.Name) {
				continue
			}
			reached := false
			for r := range p.Routes.All() {
				if r.Prefix.Contains(v.Addr) {
					needed[r.Prefix], reached = true, true
				}
			}
			if !reached && v.Announced() {
				t.Errorf("%s: %s has no route to %s, and the verdict says so: %+v", node, p.Name, v.Addr, v)
			}
		}
		if len(needed) != p.Routes.Len() {
			t.Errorf("%s: %d routes to %s, and only %v have a verdict", node, p.Routes.Len(), p.Name, needed)
		}
	}
}

// tell writes the decision of every node for a person. Quiet verdicts are left
// out.
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
		tellRouters(&b, d)
		for _, v := range d.Verdicts {
			if !v.Quiet {
				tellVerdict(&b, node, &v)
			}
		}
	}
	return b.String()
}

func tellRouters(b *strings.Builder, d announce.Decision) {
	for _, l := range d.Unnumbered {
		fmt.Fprintf(b, "  looks for routers on %s\n", l.Name)
	}
	if d.BGP.Draining {
		fmt.Fprintf(b, "  asks routers to stay away\n")
	}
	for _, s := range d.BFD.Sessions {
		hops := "one hop"
		if s.MultiHop {
			hops = "many hops"
		}
		fmt.Fprintf(b, "  watches %s at %s, %s\n", s.Name, s.Peer, hops)
	}
	for i := range d.BGP.Peers {
		p := &d.BGP.Peers[i]
		fmt.Fprintf(b, "  tells %s at %s\n", p.Name, p.Session.Address)
		for _, r := range slices.SortedFunc(p.Routes.All(), func(a, b bgp.Route) int { return a.Prefix.Compare(b.Prefix) }) {
			fmt.Fprintf(b, "    %s preference %d", r.Prefix, r.Attributes.LocalPref)
			for _, c := range r.Attributes.Communities {
				fmt.Fprintf(b, " %s", c)
			}
			for _, c := range r.Attributes.LargeCommunities {
				fmt.Fprintf(b, " %s", c)
			}
			fmt.Fprintln(b)
		}
	}
}

func tellVerdict(b *strings.Builder, node string, v *announce.Verdict) {
	fmt.Fprintf(b, "  %s", v.Service)
	if v.Addr.IsValid() {
		fmt.Fprintf(b, " %s", v.Addr)
	}
	if v.Protocol == announce.BGP {
		fmt.Fprintf(b, " by BGP")
	}
	fmt.Fprintf(b, " %s", v.Reason)
	if len(v.Peers) > 0 {
		fmt.Fprintf(b, " to %s", strings.Join(v.Peers, " "))
	}
	if v.Detail != "" {
		fmt.Fprintf(b, ": %s", v.Detail)
	}
	if len(v.Selected) > 0 {
		fmt.Fprintf(b, " (selected: %s)", strings.Join(v.Selected, " "))
	}
	if v.Owner != "" && v.Owner != node {
		fmt.Fprintf(b, " (owner: %s)", v.Owner)
	}
	fmt.Fprintln(b)
}
