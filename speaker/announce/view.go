package announce

import (
	"cmp"
	"net/netip"
	"regexp"
	"slices"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
)

// View is every fact besides the configuration that a decision rests on.
type View struct {
	Shared Shared
	Local  Local
}

// Shared are the facts that every node sees alike.
type Shared struct {
	// Services are all Services this installation handles.
	Services []Service
	Members  Members
	// New are addresses that nobody held until some seconds ago. Whoever announces
	// one for the first time makes sure that it is free.
	New map[netip.Addr]struct{}
	// IgnoreExcludeLabel makes nodes labelled
	// node.kubernetes.io/exclude-from-external-load-balancers candidates like
	// any other (flag --ignore-exclude-lb, the same on all nodes).
	IgnoreExcludeLabel bool
}

// Service is one Service and where its traffic can be served.
type Service struct {
	config.Service
	Endpoints config.Endpoints
}

// held returns the addresses that the Service holds as far as announcing them
// goes.
func (s *Service) held() []netip.Addr {
	if !s.LoadBalancer {
		return nil
	}
	return s.Addresses
}

// Members are the nodes with a live speaker, and those that had one.
type Members struct {
	// Known is unset when membership is off (no bind address or no labels);
	// then every node is taken to run a live speaker that is able to announce
	// anything.
	Known bool
	// Nodes are those with a live speaker, sorted by name.
	Nodes []Member
	// Gone are others, of which a speaker is remembered. They own nothing; but if
	// one of them claims an address after all, it is known for one of ours.
	Gone []Member
}

// Member is what a speaker says of its node.
type Member struct {
	// Name is the node's name.
	Name string
	// Recovering is set while a node that was down has not been well for long
	// enough: it owns only what no other node can.
	Recovering bool
	// LinksKnown is set if Links are all there are. Of a speaker that does not say,
	// such as MetalLB's, it is taken that it can announce anything.
	LinksKnown bool
	// Links are the interfaces on which the node can answer, as by [Usable].
	Links []MemberLink
}

// MemberLink is one interface of a member.
type MemberLink struct {
	Name string
	// IPv4 and IPv6 say for which addresses it can answer.
	IPv4, IPv6 bool
	// MAC is what its answers give out; zero if not known.
	MAC layer2.MAC
	// Recovering is set while a link that was lost has not been there for long
	// enough: by it the node owns only what no other can.
	Recovering bool
}

// node returns what a live speaker says of its node, if there is one; nothing
// while membership is off.
func (m *Members) node(name string) (Member, bool) {
	if !m.Known {
		return Member{}, false
	}
	i, ok := slices.BinarySearchFunc(m.Nodes, name, func(m Member, name string) int { return cmp.Compare(m.Name, name) })
	if !ok {
		return Member{}, false
	}
	return m.Nodes[i], true
}

// Local are the facts of this node alone.
type Local struct {
	// Node is this node's name.
	Node  string
	Links []Link
	// Exclude are expressions for names of interfaces that are left alone
	// (ConfigMap metallb-excludel2); they anchor themselves or not at all.
	Exclude []*regexp.Regexp
	// Routers are those found on unnumbered links, by the name of the link:
	// link-local addresses with their zone.
	Routers map[string]netip.Addr
}

// Link is one network interface as the kernel describes it.
type Link struct {
	Name  string
	Index int
	// MAC is zero for interfaces without an Ethernet address.
	MAC [6]byte
	// Up is the administrative state, Carrier the physical one.
	Up, Carrier bool
	// Broadcast and NoARP are the kernel's flags of those names.
	Broadcast, NoARP bool
	// Master names the bridge, bond or VRF the interface belongs to; empty
	// for none. The master answers, not its members.
	Master string
	// LinkLocal is the IPv6 link-local address in use; the zero value for none.
	LinkLocal netip.Addr
	// Prefixes are the addresses of the interface with the length of their
	// network.
	Prefixes []netip.Prefix
}
