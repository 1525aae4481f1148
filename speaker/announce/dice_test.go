package announce_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/api/v1beta2"
	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// dice make small worlds out of fuzzed bytes: few nodes, addresses and labels,
// so that everything meets everything. When the bytes run out they roll zeros.
type dice []byte

// addSeeds adds seeds that are long enough for whole worlds.
func addSeeds(f *testing.F, seeds, length int) {
	f.Helper()

	r := rand.New(rand.NewPCG(7, uint64(length)))
	for range seeds {
		rolls := make([]byte, length)
		for i := range rolls {
			rolls[i] = byte(r.Uint32())
		}
		f.Add(rolls)
	}
}

func (d *dice) roll(n int) int {
	if len(*d) == 0 {
		return 0
	}
	b := (*d)[0]
	*d = (*d)[1:]
	return int(b) % n
}

func (d *dice) oneIn(n int) bool { return d.roll(n) == n-1 }

func (d *dice) snapshot() *config.Snapshot {
	var o config.Objects
	for i := range 1 + d.roll(6) {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName(i), Labels: d.labels()}}
		if d.oneIn(8) {
			n.Labels[corev1.LabelNodeExcludeBalancers] = ""
		}
		if d.oneIn(8) {
			n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeNetworkUnavailable, Status: corev1.ConditionTrue}}
		}
		if d.oneIn(4) {
			n.Spec.Unschedulable = true
			n.Annotations = map[string]string{config.KeyDrain: ""}
		}
		o.Nodes = append(o.Nodes, n)
	}
	for i := range 3 {
		p := v1beta1.IPAddressPool{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("pool-%d", i), Labels: d.labels(),
			CreationTimestamp: metav1.Unix(int64(d.roll(3)), 0),
		}}
		p.Spec.Addresses = []string{fmt.Sprintf("192.0.2.%d/30", i*4), fmt.Sprintf("2001:db8::%x/126", i*4)}
		switch d.roll(8) {
		case 6:
			p.Spec.Addresses = append(p.Spec.Addresses, "192.0.2.0/33")
		case 7:
			p.Spec.Addresses = append(p.Spec.Addresses, "192.0.2.0/27")
		}
		o.Pools = append(o.Pools, p)
	}
	for i := range d.roll(4) {
		ad := v1beta1.L2Advertisement{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("ad-%d", i)}}
		ad.Spec.IPAddressPoolSelectors = d.selectors()
		ad.Spec.NodeSelectors = d.selectors()
		ad.Spec.ServiceSelectors = d.selectors()
		for _, s := range d.selectors() {
			ad.Spec.PreferredNodeSelectors = append(ad.Spec.PreferredNodeSelectors,
				v1beta1.PreferredNodeSelector{Weight: 1 + int32(d.roll(3)), Preference: s})
		}
		for range d.roll(3) {
			ad.Spec.Interfaces = append(ad.Spec.Interfaces, fmt.Sprintf("eth%d", d.roll(3)))
		}
		o.L2Advertisements = append(o.L2Advertisements, ad)
	}
	for i := range d.roll(4) {
		o.Peers = append(o.Peers, d.peer(i))
	}
	for i := range d.roll(5) {
		o.BGPAdvertisements = append(o.BGPAdvertisements, d.bgpAdvertisement(i))
	}
	o.BFDProfiles = []v1beta1.BFDProfile{{ObjectMeta: metav1.ObjectMeta{Name: "fast"}}}
	snap, _ := config.Compile(o)
	return snap
}

// peer is one of the name i, which may be in the nodes' network, elsewhere, or
// on a link without addresses.
func (d *dice) peer(i int) v1beta2.BGPPeer {
	p := v1beta2.BGPPeer{ObjectMeta: metav1.ObjectMeta{Name: peerName(i)}}
	p.Spec.MyASN, p.Spec.PeerASN = 64496, 64496+uint32(d.roll(2))
	p.Spec.NodeSelectors = d.selectors()
	p.Spec.DualStackAddressFamily = d.oneIn(2)
	switch d.roll(4) {
	case 0:
		p.Spec.Interface = fmt.Sprintf("eth%d", i)
	case 1:
		p.Spec.PeerAddress = fmt.Sprintf("2001:db8:1::%d", 1+i)
	default:
		p.Spec.PeerAddress = fmt.Sprintf("198.51.100.%d", 1+i)
	}
	if d.oneIn(2) {
		p.Spec.BFDProfile = "fast"
	}
	return p
}

func peerName(i int) string { return fmt.Sprintf("tor-%d", i) }

func (d *dice) bgpAdvertisement(i int) v1beta1.BGPAdvertisement {
	ad := v1beta1.BGPAdvertisement{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("ad-%d", i)}}
	ad.Spec.IPAddressPoolSelectors = d.selectors()
	ad.Spec.NodeSelectors = d.selectors()
	ad.Spec.LocalPref = []uint32{0, 0, 100, 200}[d.roll(4)]
	if ad.Spec.ServiceSelectors = d.selectors(); len(ad.Spec.ServiceSelectors) == 0 {
		four, six := int32(32-d.roll(3)), int32(128-d.roll(3))
		ad.Spec.AggregationLength, ad.Spec.AggregationLengthV6 = &four, &six
	}
	for _, c := range []string{"64496:1", "64496:2", "large:64496:1:1"} {
		if d.oneIn(3) {
			ad.Spec.Communities = append(ad.Spec.Communities, c)
		}
	}
	for j := range 3 {
		if d.oneIn(4) {
			ad.Spec.Peers = append(ad.Spec.Peers, peerName(j))
		}
	}
	return ad
}

// routers are found on some links.
func (d *dice) routers() map[string]netip.Addr {
	found := map[string]netip.Addr{}
	for _, link := range []string{"eth0", "eth1", "eth2"} {
		if host := d.roll(3); host > 0 {
			found[link] = netip.MustParseAddr(fmt.Sprintf("fe80::%d%%%s", host, link))
		}
	}
	return found
}

func (d *dice) labels() labels.Set { return labels.Set{"a": fmt.Sprint(d.roll(2))} }

// selectors are none most of the time, and seldom match nothing.
func (d *dice) selectors() []metav1.LabelSelector {
	if d.roll(3) > 0 {
		return nil
	}
	var out []metav1.LabelSelector
	for range 1 + d.roll(2) {
		value := d.roll(9)
		if value < 8 {
			value %= 2
		}
		out = append(out, metav1.LabelSelector{MatchLabels: map[string]string{"a": fmt.Sprint(value)}})
	}
	return out
}

func (d *dice) members() announce.Members {
	m := announce.Members{Known: !d.oneIn(4)}
	for i := range 6 {
		node := announce.Member{Name: nodeName(i), Recovering: d.oneIn(5), LinksKnown: !d.oneIn(4), Links: d.memberLinks(i)}
		if d.roll(4) > 0 {
			m.Nodes = append(m.Nodes, node)
		} else if d.oneIn(2) {
			m.Gone = append(m.Gone, node)
		}
	}
	return m
}

// memberLinks are what a node says it can announce on, which need not be true.
func (d *dice) memberLinks(node int) []announce.MemberLink {
	var out []announce.MemberLink
	for _, name := range []string{"eth0", "eth1", "eth2"} {
		if families := d.roll(5); families > 0 {
			out = append(out, announce.MemberLink{
				Name: name, IPv4: families != 2, IPv6: families != 3, MAC: layer2.MAC{2, 0, 0, 1, byte(node), name[3]},
				Recovering: d.oneIn(5),
			})
		}
	}
	return out
}

// without are the members after one of them is lost, or loses a link.
func (d *dice) without(m announce.Members) announce.Members {
	if len(m.Nodes) == 0 {
		return m
	}
	lost := d.roll(len(m.Nodes))
	if n := m.Nodes[lost]; n.LinksKnown && len(n.Links) > 0 && d.oneIn(2) {
		m.Nodes = slices.Clone(m.Nodes)
		m.Nodes[lost].Links = n.Links[1:]
		if d.oneIn(2) { // or it is back already
			m.Nodes[lost].Links = slices.Clone(n.Links)
			m.Nodes[lost].Links[0].Recovering = true
		}
		return m
	}
	m.Gone = append(slices.Clone(m.Gone), m.Nodes[lost])
	m.Nodes = slices.Delete(slices.Clone(m.Nodes), lost, lost+1)
	return m
}

func (d *dice) links() []announce.Link {
	var out []announce.Link
	for _, text := range []string{"eth0", "eth1", "eth2"} {
		switch d.roll(6) {
		case 3:
			text += ":no-carrier"
		case 4:
			text += ":no-link-local"
		case 5:
			text += ":no-broadcast"
		case 1:
			text += ":198.51.100.20/24"
		case 2:
			text += ":203.0.113.20/24"
		}
		out = append(out, linkOf(text))
	}
	return out[:d.roll(4)]
}

// service is one of the name i; it holds none, one or two of few addresses.
func (d *dice) service(i int) *announce.Service {
	svc := &announce.Service{}
	svc.Name = types.NamespacedName{Namespace: "shop", Name: fmt.Sprintf("s%d", i)}
	svc.LoadBalancer = !d.oneIn(8)
	svc.Labels = d.labels()
	svc.Local = d.oneIn(2)
	svc.HasSharingKey = d.oneIn(3)
	svc.FromPool = []string{"", "pool-0", "pool-1", "pool-2"}[d.roll(4)]
	host := d.roll(4)
	four := netip.AddrFrom4([4]byte{192, 0, 2, byte(host)})
	six := netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", host&^3+d.roll(4)))
	svc.Addresses = [][]netip.Addr{{four}, {six}, {four, six}, {six, four}, {four}, nil}[d.roll(6)]
	for j := range 6 {
		if d.oneIn(3) {
			svc.Endpoints.Nodes = append(svc.Endpoints.Nodes, nodeName(j))
		}
	}
	svc.Endpoints.Serving = len(svc.Endpoints.Nodes) > 0 || d.oneIn(2)
	return svc
}

func nodeName(i int) string { return fmt.Sprintf("node-%c", 'a'+i) }

// world is a whole one.
func (d *dice) world() *world {
	w := &world{snap: d.snapshot(), links: map[string][]announce.Link{}, routers: map[string]map[string]netip.Addr{}}
	w.shared.Members = d.members()
	w.shared.IgnoreExcludeLabel = d.oneIn(4)
	for i := range d.roll(10) {
		w.shared.Services = append(w.shared.Services, *d.service(i))
	}
	for _, n := range w.snap.Nodes {
		w.links[n.Name] = d.links()
		w.routers[n.Name] = d.routers()
	}
	return w
}
