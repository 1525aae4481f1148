package announce

import (
	"cmp"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// Protocol is how an address is made reachable.
type Protocol string

// The protocols, in the words of the metrics.
const (
	BGP    Protocol = "bgp"
	Layer2 Protocol = "layer2"
)

// Reason is the one word for why an address is, or is not, announced here. The
// same word stands in log, Event, metric and status.
type Reason string

// The reasons. Those MetalLB has too keep its word.
const (
	// Announced: this node owns the address and answers for it, or advertises a
	// route to it.
	Announced Reason = "announced"
	// NotOwner: another node owns the address; Owner names it.
	NotOwner Reason = "notOwner"

	// NotLoadBalancer and those after it lie with the Service.
	NotLoadBalancer         Reason = "notLoadBalancer"
	NoIPAllocated           Reason = "noIPAllocated"
	IPNotAllowed            Reason = "ipNotAllowed"
	NoEndpoints             Reason = "noEndpoints"
	NoMatchingAdvertisement Reason = "noMatchingAdvertisement"
	SharedIPWithSelector    Reason = "sharedIPWithServiceSelector"
	// ConflictingAdvertisements: BGPAdvertisements that select the Service give a
	// peer different local preferences for one destination.
	ConflictingAdvertisements Reason = "conflictingAdvertisements"

	// NodeNotSelected and those after it say why this node is no candidate.
	NodeNotSelected        Reason = "nodeNotSelected"
	NotMember              Reason = "notMember"
	NodeNetworkUnavailable Reason = "nodeNetworkUnavailable"
	NodeExcluded           Reason = "nodeLabeledExcludeBalancers"
	NoLocalEndpoints       Reason = "noLocalEndpoints"
	// NodeNoInterface: this node has no interface that may and can answer for the
	// address, as all nodes know. Another one owns it, or says NoInterface.
	NodeNoInterface Reason = "nodeNoInterface"
	// NodeDraining: this node is leaving, and another one serves as well or, with
	// BGP, traffic has been told to stay away.
	NodeDraining Reason = "nodeDraining"
	// NoInterface: this node owns the address and has no interface that may and
	// can answer for it. If no node has, the one that would own it says so for all.
	NoInterface Reason = "noInterface"
	// NoPeer: no router that this node speaks with is to be told.
	NoPeer Reason = "noPeer"

	// Conceded and AddressConflict are no decisions: this node should announce the
	// address, and the wire says otherwise. A speaker that ranks before it answers,
	// or a host outside the cluster did before anybody announced it.
	Conceded        Reason = "conceded"
	AddressConflict Reason = "addressConflict"

	// AddressGone says why an address is withdrawn on which there is no verdict
	// any more: the Service released it, or is no more itself.
	AddressGone Reason = "addressGone"
)

// Key identifies a verdict of one node.
type Key struct {
	Service types.NamespacedName
	// Addr is the zero value for a Service that holds no address.
	Addr     netip.Addr
	Protocol Protocol
}

// Verdict is what this node does about one address of one Service.
type Verdict struct {
	Key
	Reason Reason
	// Detail completes the reason for a person; may be empty.
	Detail string
	// Quiet is set where no advertisement of this protocol is meant for the
	// address, and the verdict of the other protocol says all there is to say.
	Quiet bool

	// Owner is the node that owns the address at layer 2, by the shared facts;
	// empty when nobody does.
	Owner string
	// Interfaces are the names this node answers on, sorted; set only when
	// Announced at layer 2. Selected are those the advertisements name; empty for
	// all.
	Interfaces, Selected []string
	// Peers are the names of the BGPPeers that are told of the address, sorted;
	// set only when Announced by BGP.
	Peers []string
}

// equal reports whether both say the same of the same key.
func (v *Verdict) equal(o *Verdict) bool {
	return v.Reason == o.Reason && v.Detail == o.Detail && v.Quiet == o.Quiet && v.Owner == o.Owner &&
		slices.Equal(v.Interfaces, o.Interfaces) && slices.Equal(v.Selected, o.Selected) &&
		slices.Equal(v.Peers, o.Peers)
}

// Announced reports whether this node answers for the address, or advertises a
// route to it.
func (v *Verdict) Announced() bool { return v.Reason == Announced }

func compareVerdicts(a, b Verdict) int {
	return cmp.Or(
		cmp.Compare(a.Service.Namespace, b.Service.Namespace),
		cmp.Compare(a.Service.Name, b.Service.Name),
		a.Addr.Compare(b.Addr),
		cmp.Compare(a.Protocol, b.Protocol),
	)
}
