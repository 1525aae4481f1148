package config_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go4.org/netipx"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/api/v1beta2"
	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/config"
)

// FuzzCompile: whatever is applied, nothing panics, the outcome does not
// depend on the order of the objects, pools in force are disjoint, no node has
// two sessions with one router or two preferences for one route, and an object
// is out of force exactly if a problem names it.
func FuzzCompile(f *testing.F) {
	f.Add("192.0.2.0/24", []byte{})
	r := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		rolls := make([]byte, 500)
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

		checkPeers(t, o, snap, blamed)
		checkRoutes(t, o, snap, blamed)

		slices.Reverse(o.Pools)
		slices.Reverse(o.L2Advertisements)
		slices.Reverse(o.Nodes)
		slices.Reverse(o.BGPAdvertisements)
		slices.Reverse(o.Peers)
		slices.Reverse(o.Communities)
		slices.Reverse(o.BFDProfiles)
		slices.Reverse(o.Secrets)
		again, problemsAgain := config.Compile(o)
		if diff := cmp.Diff(summary(snap), summary(again)); diff != "" {
			t.Errorf("another order of the objects gives other pools:\n%s", diff)
		}
		if diff := cmp.Diff(problems, problemsAgain); diff != "" {
			t.Errorf("another order of the objects gives other problems:\n%s", diff)
		}
		if diff := cmp.Diff(snap.Peers, again.Peers, addrText); diff != "" {
			t.Errorf("another order of the objects gives other peers:\n%s", diff)
		}
	})
}

// checkPeers: a peer is in force, and makes sense, unless a problem says no.
func checkPeers(t *testing.T, o config.Objects, snap *config.Snapshot, blamed map[string]bool) {
	t.Helper()

	inForce := map[string]bool{}
	for i, p := range snap.Peers {
		inForce[p.Name] = true
		s := &p.Session
		switch {
		case s.Address.IsValid() == (p.Interface != ""):
			t.Errorf("peer %s: address %s and interface %q", p.Name, s.Address, p.Interface)
		case s.LocalASN == 0 || (s.PeerASN == 0) == (s.Kind == bgp.AnyKind):
			t.Errorf("peer %s: autonomous systems %d and %d, kind %d", p.Name, s.LocalASN, s.PeerASN, s.Kind)
		case s.Families == (bgp.Families{}):
			t.Errorf("peer %s carries nothing", p.Name)
		case s.HoldTime != 0 && s.HoldTime != bgp.NoHoldTime && s.HoldTime < 3*time.Second, s.Keepalive > max(s.HoldTime, 0):
			t.Errorf("peer %s: hold time %s, keepalive %s", p.Name, s.HoldTime, s.Keepalive)
		case s.Source.IsValid() && s.Address.IsValid() && s.Source.Is4() != s.Address.Is4():
			t.Errorf("peer %s: from %s to %s", p.Name, s.Source, s.Address)
		}
		for _, other := range snap.Peers[:i] {
			u := &other.Session
			same := p.Interface == other.Interface && s.Address == u.Address && s.Port == u.Port && s.Device == u.Device &&
				(s.Source == u.Source || !s.Source.IsValid() || !u.Source.IsValid())
			if same && p.Nodes.Intersects(other.Nodes) {
				t.Errorf("peers %s and %s are one router, on one node", p.Name, other.Name)
			}
		}
	}
	for _, p := range o.Peers {
		if !inForce[p.Name] && !blamed["BGPPeer "+p.Name] {
			t.Errorf("peer %s is out of force, and no problem says why", p.Name)
		}
	}
}

// checkRoutes: an advertisement without a problem is in force wherever it
// wants to be, and no node tells a peer of one route with two preferences.
func checkRoutes(t *testing.T, o config.Objects, snap *config.Snapshot, blamed map[string]bool) {
	t.Helper()

	for _, pool := range snap.Pools {
		attached := map[string]bool{}
		for i, ad := range pool.BGP {
			attached[ad.Name] = true
			if ad.Attributes == nil || ad.Attributes.LocalPref == 0 {
				t.Errorf("advertisement %s has no attributes", ad.Name)
			}
			for _, r := range pool.Ranges {
				block := slices.MinFunc(r.Prefixes(), func(a, b netip.Prefix) int { return a.Bits() - b.Bits() })
				if route := ad.Prefix(block.Addr()); route.Bits() < block.Bits() {
					t.Errorf("advertisement %s: %s reaches beyond %s of pool %s", ad.Name, route, r, pool.Name)
				}
			}
			for _, other := range pool.BGP[:i] {
				if ad.Length4 == other.Length4 && ad.Length6 == other.Length6 && ad.AllPeers && other.AllPeers && len(ad.Services)+len(other.Services) == 0 &&
					ad.Nodes.Intersects(other.Nodes) && len(pool.Ranges) > 0 && ad.Attributes.LocalPref != other.Attributes.LocalPref {
					t.Errorf("advertisements %s and %s contradict each other in pool %s", ad.Name, other.Name, pool.Name)
				}
			}
		}
		for _, ad := range o.BGPAdvertisements {
			if len(ad.Spec.IPAddressPoolSelectors) == 0 && !attached[ad.Name] && !blamed["BGPAdvertisement "+ad.Name] {
				t.Errorf("advertisement %s is not in pool %s, and no problem says why", ad.Name, pool.Name)
			}
		}
	}
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
	d.routers(&o)
	for i := range d.roll(4) {
		o.Nodes = append(o.Nodes, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%d", i), Labels: d.labels()}})
		o.Namespaces = append(o.Namespaces, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("ns%d", i), Labels: d.labels()}})
	}
	return o
}

// routers adds a few peers and what they are told.
func (d *dice) routers(o *config.Objects) {
	aged := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.Unix(int64(d.roll(3)), 0)}
	}
	number := func() *uint32 { return pick(d, nil, new(uint32(d.roll(256))), new(uint32(50))) }
	duration := func() *metav1.Duration {
		return pick(d, nil, nil, &metav1.Duration{Duration: time.Duration(d.roll(256)-5) * 200 * time.Millisecond})
	}
	for i := range d.roll(4) {
		peer := v1beta2.BGPPeer{ObjectMeta: aged(fmt.Sprintf("peer-%d", i))}
		peer.Annotations = pick(d, nil, map[string]string{config.AnnotationTTLSecurity: pick(d, "true", "maybe")})
		peer.Spec = v1beta2.BGPPeerSpec{
			MyASN: pick[uint32](d, 64500, 64500, 0), PeerASN: pick[uint32](d, 64496, 64500, 0), LocalASN: pick[uint32](d, 0, 0, 64496),
			DynamicASN:  pick(d, "", "", v1beta2.DynamicASNExternal, v1beta2.DynamicASNInternal),
			PeerAddress: pick(d, "192.0.2.1", "192.0.2.1", "2001:db8::1", "fe80::1", "", "nowhere"), Interface: pick(d, "", "", "", "eth0"),
			SourceAddress: pick(d, "", "", "192.0.2.2", "192.0.2.3", "2001:db8::2"), PeerPort: pick[uint16](d, 0, 179, 1179), VRFName: pick(d, "", "red"),
			HoldTime: duration(), KeepaliveTime: duration(), ConnectTime: duration(),
			RouterID: pick(d, "", "192.0.2.3", "::1"), NodeSelectors: d.selectors(), EBGPMultiHop: d.roll(2) == 0,
			Password: pick(d, "", "geheim"), PasswordSecret: pick(d, nil, nil, &corev1.SecretReference{Name: "secret"}),
			BFDProfile: pick(d, "", "profile-0", "profile-1"),
		}
		o.Peers = append(o.Peers, peer)
	}
	for i := range d.roll(4) {
		ad := v1beta1.BGPAdvertisement{ObjectMeta: aged(fmt.Sprintf("route-%d", i))}
		ad.Spec = v1beta1.BGPAdvertisementSpec{
			AggregationLength: pick(d, nil, nil, new(int32(d.roll(40)))), AggregationLengthV6: pick(d, nil, nil, new(int32(d.roll(140)))),
			LocalPref: pick[uint32](d, 0, 100, 200), Communities: []string{pick(d, "no-export", "64496:1", "a", "b")},
			IPAddressPoolSelectors: d.selectors(), NodeSelectors: d.selectors(), ServiceSelectors: d.selectors(),
			Peers: pick(d, nil, nil, []string{"peer-1", "peer-0"}, []string{"peer-2"}),
		}
		o.BGPAdvertisements = append(o.BGPAdvertisements, ad)
	}
	for i := range d.roll(3) {
		community := v1beta1.Community{ObjectMeta: aged(fmt.Sprintf("community-%d", i))}
		for range d.roll(3) {
			community.Spec.Communities = append(community.Spec.Communities, v1beta1.CommunityAlias{
				Name: pick(d, "a", "b", ""), Value: pick(d, "64496:1", "large:64496:1:2", "extended:rt:64496:1", "64496"),
			})
		}
		o.Communities = append(o.Communities, community)
		profile := v1beta1.BFDProfile{ObjectMeta: aged(fmt.Sprintf("profile-%d", i))}
		profile.Spec.TransmitInterval, profile.Spec.DetectMultiplier, profile.Spec.MinimumTTL = number(), number(), number()
		o.BFDProfiles = append(o.BFDProfiles, profile)
		secret := corev1.Secret{ObjectMeta: aged("secret"), Type: pick(d, corev1.SecretTypeBasicAuth, corev1.SecretTypeOpaque)}
		secret.Data = map[string][]byte{"password": []byte("geheim")}
		o.Secrets = []corev1.Secret{secret}
	}
}

// pick returns one of the choices.
func pick[T any](d *dice, choices ...T) T { return choices[d.roll(len(choices))] }

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
