package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"go4.org/netipx"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/bgp"
)

// BGPAdvertisement says which nodes advertise routes to the addresses of the
// pools that list it, to which peers, and what they say about them.
type BGPAdvertisement struct {
	Name string
	// Nodes may advertise.
	Nodes NodeSet
	// Length4 and Length6 are the prefix lengths of the routes: 32 and 128 for
	// the addresses themselves, less for aggregates.
	Length4, Length6 int
	// Attributes are put on the routes; never nil, and its LocalPref is set.
	Attributes *bgp.Attributes
	// AllPeers is set when the object names none.
	AllPeers bool
	// Peers are the named ones, sorted; there may be no peer of that name.
	Peers []string
	// Services must match one of these; empty admits all.
	Services Selectors
}

// Selects reports whether the advertisement covers a Service with those labels.
func (a *BGPAdvertisement) Selects(set labels.Set) bool {
	return len(a.Services) == 0 || a.Services.Match(set)
}

// Covers reports whether the named peer is told.
func (a *BGPAdvertisement) Covers(peer string) bool {
	if a.AllPeers {
		return true
	}
	_, ok := slices.BinarySearch(a.Peers, peer)
	return ok
}

// Prefix returns the destination that is advertised for an address.
func (a *BGPAdvertisement) Prefix(addr netip.Addr) netip.Prefix {
	return netip.PrefixFrom(addr, a.length(FamilyOf(addr))).Masked()
}

func (a *BGPAdvertisement) length(f Family) int {
	if f == IPv4 {
		return a.Length4
	}
	return a.Length6
}

// defaultLocalPref is what routers take a route to have that says nothing.
const defaultLocalPref = 100

// compileBGPAdvertisements attaches each valid advertisement to those pools it
// selects where it fits and contradicts no elder one.
func compileBGPAdvertisements(s *Snapshot, o Objects) []Problem {
	table, found := compileCommunities(o)
	labelsOf := poolLabels(o)
	for _, obj := range eldestFirst(o.BGPAdvertisements) {
		ps := problems{kind: "BGPAdvertisement", meta: &obj.ObjectMeta}
		ad := ps.bgpAdvertisement(s, obj, table)
		attach := ps.poolSelection(obj.Spec.IPAddressPools, obj.Spec.IPAddressPoolSelectors)
		if len(ps.found) == 0 {
			for _, pool := range s.Pools {
				if attach(pool.Name, labelsOf[pool.Name]) && ps.fits(ad, pool) && ps.agrees(ad, pool) {
					pool.BGP = append(pool.BGP, ad)
				}
			}
		}
		found = append(found, ps.found...)
	}
	for _, pool := range s.Pools {
		slices.SortFunc(pool.BGP, func(a, b *BGPAdvertisement) int { return cmp.Compare(a.Name, b.Name) })
	}
	return found
}

func (p *problems) bgpAdvertisement(s *Snapshot, obj *v1beta1.BGPAdvertisement, table aliases) *BGPAdvertisement {
	spec := &obj.Spec
	attributes := p.communities(spec.Communities, table)
	attributes.LocalPref = cmp.Or(spec.LocalPref, defaultLocalPref)
	ad := &BGPAdvertisement{
		Name:       obj.Name,
		Nodes:      p.nodes(s, spec.NodeSelectors),
		Length4:    p.length("spec.aggregationLength", spec.AggregationLength, 1, 32),
		Length6:    p.length("spec.aggregationLengthV6", spec.AggregationLengthV6, 0, 128),
		Attributes: &attributes,
		AllPeers:   len(spec.Peers) == 0,
		Peers:      slices.Clone(spec.Peers),
		Services:   p.selectors("spec.serviceSelectors", spec.ServiceSelectors),
	}
	slices.Sort(ad.Peers)
	ad.Peers = slices.Compact(ad.Peers)
	if len(ad.Services) > 0 && (ad.Length4 != 32 || ad.Length6 != 128) {
		p.add("spec.serviceSelectors", "", fmt.Sprintf(
			"need single addresses, not aggregates: aggregationLength %d must be 32, aggregationLengthV6 %d must be 128", ad.Length4, ad.Length6))
	}
	return ad
}

// length reads a prefix length; not set it is the greatest, which is a single
// address.
func (p *problems) length(field string, value *int32, least, most int) int {
	if value == nil {
		return most
	}
	n := int(*value)
	if n < least || n > most {
		p.add(field, fmt.Sprint(n), fmt.Sprintf("must be between %d and %d", least, most))
	}
	return n
}

// fits says if an aggregate would reach beyond every block of an entry of the
// pool: it would draw traffic for addresses that are somebody else's.
func (p *problems) fits(ad *BGPAdvertisement, pool *Pool) bool {
	ok := true
	for _, family := range []Family{IPv4, IPv6} {
		var tightest int
		need := ad.length(family)
		for i, r := range pool.Ranges {
			if FamilyOf(r.From()) != family || need == r.From().BitLen() {
				continue // another family's, or single addresses
			}
			if n := largestBlock(r); n > need {
				tightest, need = i, n
			}
		}
		if need == ad.length(family) {
			continue
		}
		field := "spec.aggregationLength"
		if family == IPv6 {
			field += "V6"
		}
		p.add(field, fmt.Sprint(ad.length(family)), fmt.Sprintf(
			"reaches beyond %s of pool %q: must be at least %d", rangeText(pool.Ranges[tightest]), pool.Name, need))
		ok = false
	}
	return ok
}

// largestBlock returns the prefix length of the largest block in a range.
func largestBlock(r netipx.IPRange) int {
	length := r.From().BitLen()
	for _, block := range r.Prefixes() {
		length = min(length, block.Bits())
	}
	return length
}

// agrees says if an elder advertisement gives the same routes of the pool
// another local preference. Advertisements that select Services are judged for
// each Service, not here.
func (p *problems) agrees(ad *BGPAdvertisement, pool *Pool) bool {
	for _, elder := range pool.BGP {
		if !elder.contradicts(ad, pool) {
			continue
		}
		p.add("spec.localPref", fmt.Sprint(ad.Attributes.LocalPref), fmt.Sprintf(
			"contradicts localPref %d for the same routes of pool %q in BGPAdvertisement %q, which takes precedence",
			elder.Attributes.LocalPref, pool.Name, elder.Name))
		return false
	}
	return true
}

// contradicts reports whether some node would tell some peer of one route with
// two local preferences.
func (a *BGPAdvertisement) contradicts(b *BGPAdvertisement, pool *Pool) bool {
	if a.Attributes.LocalPref == b.Attributes.LocalPref || len(a.Services) > 0 || len(b.Services) > 0 {
		return false
	}
	sameRoutes := pool.Has(IPv4) && a.Length4 == b.Length4 || pool.Has(IPv6) && a.Length6 == b.Length6
	samePeer := a.AllPeers || b.AllPeers || slices.ContainsFunc(a.Peers, b.Covers)
	return sameRoutes && samePeer && a.Nodes.Intersects(b.Nodes)
}
