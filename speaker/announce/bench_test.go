package announce_test

import (
	"fmt"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/api/v1beta2"
	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// large is a cluster of that many nodes, 10 pools and 10,000 Services with one
// address each, announced at layer 2.
func large(nodes int) *world { return largeWith(nodes, nil) }

// routedLarge is the same, advertised to four routers; two of them hear more of
// it than the others.
func routedLarge(nodes int) *world {
	return largeWith(nodes, func(o *config.Objects) {
		for i := range 4 {
			p := v1beta2.BGPPeer{ObjectMeta: metav1.ObjectMeta{Name: peerName(i)}}
			p.Spec = v1beta2.BGPPeerSpec{MyASN: 64496, PeerASN: 64497, PeerAddress: fmt.Sprintf("2001:db8:ffff::%d", i)}
			o.Peers = append(o.Peers, p)
		}
		all := v1beta1.BGPAdvertisement{ObjectMeta: metav1.ObjectMeta{Name: "all"}}
		all.Spec.Communities = []string{"64496:100"}
		some := v1beta1.BGPAdvertisement{ObjectMeta: metav1.ObjectMeta{Name: "some"}}
		some.Spec.Communities = []string{"64496:200", "large:64496:1:2"}
		some.Spec.Peers = []string{peerName(0), peerName(1)}
		o.BGPAdvertisements = []v1beta1.BGPAdvertisement{all, some}
	})
}

func largeWith(nodes int, change func(*config.Objects)) *world {
	const pools, services = 10, 10_000

	w := &world{}
	var o config.Objects
	for i := range nodes {
		name := fmt.Sprintf("worker-%03d.example.com", i)
		o.Nodes = append(o.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
		w.shared.Members.Nodes = append(w.shared.Members.Nodes, announce.Member{
			Name: name, LinksKnown: true,
			Links: []announce.MemberLink{{Name: "eth0", IPv4: true, IPv6: true, MAC: layer2.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}}},
		})
	}
	w.shared.Members.Known = true
	for i := range pools {
		pool := v1beta1.IPAddressPool{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("pool-%d", i)}}
		pool.Spec.Addresses = []string{fmt.Sprintf("2001:db8:%d::/112", i)}
		o.Pools = append(o.Pools, pool)
	}
	if change == nil {
		o.L2Advertisements = []v1beta1.L2Advertisement{{ObjectMeta: metav1.ObjectMeta{Name: "all"}}}
	} else {
		change(&o)
	}
	w.snap, _ = config.Compile(o)
	for i := range services {
		var svc announce.Service
		svc.Name = types.NamespacedName{Namespace: fmt.Sprintf("ns-%d", i%100), Name: fmt.Sprintf("service-%d", i)}
		svc.LoadBalancer = true
		svc.Addresses = []netip.Addr{netip.MustParseAddr(fmt.Sprintf("2001:db8:%d::%x", i%pools, i/pools))}
		svc.Endpoints = config.Endpoints{Serving: true, Nodes: []string{w.shared.Members.Nodes[i%nodes].Name}}
		w.shared.Services = append(w.shared.Services, svc)
	}
	return w
}

const benchmarkNode = "worker-001.example.com"

// plan is the standing plan of one node of the world, up to date.
func (w *world) plan(node string) *announce.Plan {
	p := announce.NewPlan(w.local(node))
	p.SetSnapshot(w.snap)
	p.SetMembers(w.shared.Members)
	for i := range w.shared.Services {
		p.SetService(&w.shared.Services[i])
	}
	p.Revise()
	return p
}

// withoutFirst are the members after the first of them is lost.
func (w *world) withoutFirst() announce.Members {
	m := w.shared.Members
	m.Nodes, m.Gone = m.Nodes[1:], m.Nodes[:1]
	return m
}

func BenchmarkDecide(b *testing.B) {
	w := large(100)
	view := announce.View{Shared: w.shared, Local: w.local(benchmarkNode)}
	b.ReportAllocs()
	for b.Loop() {
		announce.Decide(w.snap, view)
	}
}

// BenchmarkPlanOneService: one Service of 10,000 loses and regains its endpoints.
func BenchmarkPlanOneService(b *testing.B) {
	w := large(100)
	p := w.plan(benchmarkNode)
	versions := []announce.Service{w.shared.Services[5000], w.shared.Services[5000]}
	versions[1].Endpoints = config.Endpoints{}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		p.SetService(&versions[i%2])
		p.Revise()
	}
}

// BenchmarkPlanRoutes: what four routers are told of 10,000 Services.
func BenchmarkPlanRoutes(b *testing.B) {
	w := routedLarge(3)

	b.Run("from nothing", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.plan(benchmarkNode)
		}
	})
	// One Service loses and regains its endpoints. The difference is what the
	// engine then finds.
	b.Run("one Service", func(b *testing.B) {
		p := w.plan(benchmarkNode)
		versions := []announce.Service{w.shared.Services[5000], w.shared.Services[5000]}
		versions[1].Endpoints = config.Endpoints{}
		i := 0
		before := p.BGP()
		b.ReportAllocs()
		for b.Loop() {
			i++
			p.SetService(&versions[i%2])
			p.Revise()
			now := p.BGP()
			for j := range now.Peers {
				c := bgp.Diff(before.Peers[j].Routes, now.Peers[j].Routes)
				if len(c.Announce)+len(c.Withdraw) != 1 {
					b.Fatal("one Service made another difference than one route")
				}
			}
			before = now
		}
	})
	// Another node changed its labels: all is judged again, and nothing is new.
	b.Run("new snapshot", func(b *testing.B) {
		p := w.plan(benchmarkNode)
		snapshots := []*config.Snapshot{w.snap, routedLarge(3).snap}
		i := 0
		b.ReportAllocs()
		for b.Loop() {
			i++
			p.SetSnapshot(snapshots[i%2])
			if r := p.Revise(); len(r.Changed) > 0 {
				b.Fatal("the same configuration is news")
			}
		}
	})
}

// BenchmarkPlanMemberLost: a node dies, and the others decide about its share
// of 10,000 addresses.
func BenchmarkPlanMemberLost(b *testing.B) {
	for _, nodes := range []int{3, 100} {
		b.Run(fmt.Sprint("nodes=", nodes), func(b *testing.B) {
			w := large(nodes)
			p := w.plan(benchmarkNode)
			all, without := w.shared.Members, w.withoutFirst()
			b.ReportAllocs()
			for b.Loop() {
				p.SetMembers(without)
				p.Revise()

				b.StopTimer()
				p.SetMembers(all)
				p.Revise()
				b.StartTimer()
			}
		})
	}
}

// BenchmarkPlanMemberJoined: it comes back.
func BenchmarkPlanMemberJoined(b *testing.B) {
	for _, nodes := range []int{3, 100} {
		b.Run(fmt.Sprint("nodes=", nodes), func(b *testing.B) {
			w := large(nodes)
			p := w.plan(benchmarkNode)
			all, without := w.shared.Members, w.withoutFirst()
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				p.SetMembers(without)
				p.Revise()
				b.StartTimer()

				p.SetMembers(all)
				p.Revise()
			}
		})
	}
}

// BenchmarkPlanLinks: an interface of this node goes and comes back.
func BenchmarkPlanLinks(b *testing.B) {
	w := large(100)
	p := w.plan(benchmarkNode)
	links := [][]announce.Link{{linkOf("eth0"), linkOf("eth1")}, {linkOf("eth0")}}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		i++
		p.SetLinks(links[i%2])
		p.Revise()
	}
}
