package announce_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/api/v1beta2"
	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// twoRouters has a router tor and one on the link eth0, edge, which hear of all
// Services; change may edit either.
func twoRouters(t *testing.T, change func(tor, edge *v1beta2.BGPPeer)) *config.Snapshot {
	t.Helper()

	pool := v1beta1.IPAddressPool{ObjectMeta: metav1.ObjectMeta{Name: "pool"}}
	pool.Spec.Addresses = []string{"192.0.2.0/24"}
	tor := v1beta2.BGPPeer{ObjectMeta: metav1.ObjectMeta{Name: "tor"}}
	tor.Spec = v1beta2.BGPPeerSpec{MyASN: 64496, PeerASN: 64497, PeerAddress: "198.51.100.1"}
	edge := v1beta2.BGPPeer{ObjectMeta: metav1.ObjectMeta{Name: "edge"}}
	edge.Spec = v1beta2.BGPPeerSpec{MyASN: 64496, PeerASN: 64498, Interface: "eth0"}
	if change != nil {
		change(&tor, &edge)
	}
	ad := v1beta1.BGPAdvertisement{ObjectMeta: metav1.ObjectMeta{Name: "all"}}
	ad.Spec.Communities = []string{"64496:1"}
	snap, problems := config.Compile(config.Objects{
		Pools:             []v1beta1.IPAddressPool{pool},
		BGPAdvertisements: []v1beta1.BGPAdvertisement{ad},
		Peers:             []v1beta2.BGPPeer{tor, edge},
		Nodes:             []corev1.Node{{ObjectMeta: metav1.ObjectMeta{Name: "node-a"}}},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return snap
}

func service(i int) *announce.Service {
	svc := &announce.Service{Endpoints: config.Endpoints{Serving: true}}
	svc.Name = types.NamespacedName{Namespace: "shop", Name: fmt.Sprintf("s%d", i)}
	svc.LoadBalancer = true
	svc.Addresses = []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}
	return svc
}

func at(router string) map[string]netip.Addr {
	return map[string]netip.Addr{"eth0": netip.MustParseAddr(router)}
}

// peersOf are the peers by name.
func peersOf(p *announce.Plan) map[string]bgp.Peer {
	out := map[string]bgp.Peer{}
	for _, peer := range p.BGP().Peers {
		out[peer.Name] = peer
	}
	return out
}

// TestRoutesStayThatDoNotChange defends P10: what one peer is told is the very
// same set, not an equal one, until a Service changes it. Engines know by that
// at a glance that there is nothing to do.
func TestRoutesStayThatDoNotChange(t *testing.T) {
	t.Parallel()

	p := announce.NewPlan(announce.Local{Node: "node-a", Links: []announce.Link{linkOf("eth0")}})
	p.SetSnapshot(twoRouters(t, nil))
	p.SetRouters(at("fe80::1%eth0"))
	for i := range 100 {
		p.SetService(service(i))
	}
	p.Revise()
	before := peersOf(p)
	if len(before) != 2 || before["tor"].Routes.Len() != 100 || before["edge"].Routes.Len() != 100 {
		t.Fatalf("peers are told %+v, want each 100 routes", before)
	}

	tests := []struct {
		name    string
		change  func()
		renewed string // the peer whose session is another one
	}{
		{"nothing", func() {}, ""},
		{"the same Service", func() { p.SetService(service(7)) }, ""},
		{"the same configuration", func() { p.SetSnapshot(twoRouters(t, nil)) }, ""},
		{"members", func() { p.SetMembers(announce.Members{Known: true}) }, ""},
		{"links", func() { p.SetLinks([]announce.Link{linkOf("eth0"), linkOf("eth1")}) }, ""},
		{"another router on the link", func() { p.SetRouters(at("fe80::2%eth0")) }, "edge"},
		{"another way to speak with one router", func() {
			p.SetSnapshot(twoRouters(t, func(tor, _ *v1beta2.BGPPeer) { tor.Spec.PeerPort = 1179 }))
		}, "tor"},
	}
	for _, tt := range tests {
		tt.change()
		if r := p.Revise(); len(r.Changed)+len(r.Gone) > 0 {
			t.Errorf("%s: verdicts are news: %+v", tt.name, r)
		}
		now := peersOf(p)
		for name, peer := range now {
			if peer.Routes != before[name].Routes {
				t.Errorf("%s: the routes to %s are another set", tt.name, name)
			}
			if renewed := peer.Session != before[name].Session; renewed != (name == tt.renewed) {
				t.Errorf("%s: the session with %s is another one = %v", tt.name, name, renewed)
			}
		}
		before = now
	}

	p.SetRouters(nil)
	r := p.Revise()
	if now := peersOf(p); len(now) != 1 || now["tor"].Routes != before["tor"].Routes {
		t.Errorf("a router that is lost changes more than that: %+v", now)
	}
	if len(r.Changed) != 100 {
		t.Errorf("%d verdicts say that a router is lost, want 100", len(r.Changed))
	}
}

// TestExcludeAnew: a list of interfaces to leave alone that changes is followed
// like any other fact.
func TestExcludeAnew(t *testing.T) {
	t.Parallel()

	p := announce.NewPlan(announce.Local{Node: "node-a", Links: []announce.Link{linkOf("eth0"), linkOf("eth1")}})
	p.SetSnapshot(&config.Snapshot{})
	for _, tt := range []struct{ exclude, want string }{{"^$", "eth0 eth1"}, {"^eth0", "eth1"}, {"eth", ""}, {"1", "eth0"}} {
		p.SetExclude([]*regexp.Regexp{regexp.MustCompile(tt.exclude)})
		p.Revise()
		var names []string
		for _, i := range p.Layer2().Interfaces {
			names = append(names, i.Name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("without %s: %q, want %q", tt.exclude, got, tt.want)
		}
	}
}
