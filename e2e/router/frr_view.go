package router

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// frrFamily reads FRR's name for a family.
func frrFamily(name string) Family { return Family(strings.TrimSuffix(name, "Unicast")) }

// frrNeighbor is what Neighbors needs of `show bgp neighbors json`.
type frrNeighbor struct {
	RemoteAS     uint32 `json:"remoteAs"`
	LocalAS      uint32 `json:"localAs"`
	RouterID     string `json:"remoteRouterId"`
	State        string `json:"bgpState"`
	HoldTime     int64  `json:"bgpTimerHoldTimeMsecs"`
	Keepalive    int64  `json:"bgpTimerKeepAliveIntervalMsecs"`
	HostForeign  string `json:"hostForeign"`
	Capabilities struct {
		FourOctetAS         string                     `json:"4byteAs"`
		RouteRefresh        string                     `json:"routeRefresh"`
		ExtendedNextHop     string                     `json:"extendedNexthop"`
		Multiprotocol       map[string]json.RawMessage `json:"multiprotocolExtensions"`
		GracefulRestart     string                     `json:"gracefulRestart"`
		GracefulRestartTime int64                      `json:"gracefulRestartRemoteTimerMsecs"`
		Preserved           json.RawMessage            `json:"addressFamiliesByPeer"` // an object, or "none"
		HostName            struct {
			Received string `json:"rcvHostName"`
		} `json:"hostName"`
	} `json:"neighborCapabilities"`
	GracefulRestart struct {
		Restarting bool            `json:"rBit"`
		EndOfRIB   map[string]bool `json:"endOfRibRecv"`
	} `json:"gracefulRestartInfo"`
	Families map[string]struct {
		Accepted int `json:"acceptedPrefixCounter"`
	} `json:"addressFamilyInfo"`
	Established      int    `json:"connectionsEstablished"`
	Dropped          int    `json:"connectionsDropped"`
	LastReset        string `json:"lastResetDueTo"`
	LastNotification string `json:"lastNotificationReason"`
	ShutdownMessage  string `json:"lastShutdownDescription"`
}

// Neighbors returns what FRR thinks of its BGP neighbours.
func (f *FRR) Neighbors(ctx context.Context) (map[netip.Addr]Neighbor, error) {
	var entries map[string]frrNeighbor
	if err := f.Show(ctx, "bgp neighbors json", &entries); err != nil {
		return nil, err
	}
	neighbors := map[netip.Addr]Neighbor{}
	for name, entry := range entries {
		// An unnumbered neighbour goes by the name of its interface until it is found.
		addr, err := netip.ParseAddr(name)
		if err != nil {
			addr, err = netip.ParseAddr(entry.HostForeign)
		}
		if err != nil {
			continue
		}
		neighbors[addr.WithZone("")] = entry.neighbor(addr.WithZone(""))
	}
	return neighbors, nil
}

func (e frrNeighbor) neighbor(addr netip.Addr) Neighbor {
	n := Neighbor{
		Addr: addr, LocalAS: e.LocalAS, RemoteAS: e.RemoteAS, State: e.State,
		HoldTime: milliseconds(e.HoldTime), KeepaliveTime: milliseconds(e.Keepalive),
		FourOctetAS: frrReceived(e.Capabilities.FourOctetAS), RouteRefresh: frrReceived(e.Capabilities.RouteRefresh),
		ExtendedNextHop: frrReceived(e.Capabilities.ExtendedNextHop), Hostname: e.Capabilities.HostName.Received,
		LastReset: e.LastReset, Message: e.ShutdownMessage, Established: e.Established, Dropped: e.Dropped,
		Accepted: map[Family]int{},
	}
	if e.LastNotification != "" {
		n.LastReset += " (" + e.LastNotification + ")"
	}
	n.RouterID, _ = netip.ParseAddr(e.RouterID)
	for name, info := range e.Families {
		n.Accepted[frrFamily(name)] = info.Accepted
	}
	for name, state := range e.Capabilities.Multiprotocol {
		if strings.Contains(string(state), "advertisedAndReceived") {
			n.Families = append(n.Families, frrFamily(name))
		}
	}
	slices.Sort(n.Families)
	n.GracefulRestart = e.gracefulRestart()
	return n
}

func (e frrNeighbor) gracefulRestart() GracefulRestart {
	g := GracefulRestart{
		Announced:  frrReceived(e.Capabilities.GracefulRestart),
		Restarting: e.GracefulRestart.Restarting,
		Time:       milliseconds(e.Capabilities.GracefulRestartTime),
	}
	var listed map[string]struct {
		Preserved bool `json:"preserved"`
	}
	// "none" is no object, and means none.
	if err := json.Unmarshal(e.Capabilities.Preserved, &listed); err == nil {
		for name, family := range listed {
			g.Families = append(g.Families, frrFamily(name))
			if family.Preserved {
				g.Preserved = append(g.Preserved, frrFamily(name))
			}
		}
	}
	for name, received := range e.GracefulRestart.EndOfRIB {
		if received {
			g.EndOfRIB = append(g.EndOfRIB, frrFamily(name))
		}
	}
	slices.Sort(g.Families)
	slices.Sort(g.Preserved)
	slices.Sort(g.EndOfRIB)
	return g
}

// frrReceived reads FRR's word for who announced a capability: "advertised", "received", "advertisedAndReceived", the latter two for
// route refresh with a code behind it.
func frrReceived(word string) bool { return strings.Contains(strings.ToLower(word), "received") }

// frrPath is what Routes needs of a path in `show bgp … json detail`. The first element for each prefix describes the prefix instead.
type frrPath struct {
	Prefix string `json:"prefix"` // of that first element
	ASPath struct {
		Segments []struct {
			List []uint32 `json:"list"`
		} `json:"segments"`
	} `json:"aspath"`
	Origin    string  `json:"origin"`
	LocalPref *uint32 `json:"locPrf"`
	MED       *uint32 `json:"metric"`
	Community *struct {
		List []string `json:"list"`
	} `json:"community"`
	LargeCommunity *struct {
		List []string `json:"list"`
	} `json:"largeCommunity"`
	ExtendedCommunity *struct {
		Text string `json:"string"`
	} `json:"extendedCommunity"`
	Best struct {
		Overall bool `json:"overall"`
	} `json:"bestpath"`
	Multipath bool `json:"multipath"`
	Stale     bool `json:"stale"`
	NextHops  []struct {
		IP string `json:"ip"`
	} `json:"nexthops"`
	Peer struct {
		ID   string `json:"peerId"`
		Type string `json:"type"`
	} `json:"peer"`
}

// Routes returns FRR's BGP table.
func (f *FRR) Routes(ctx context.Context, family Family) (map[netip.Prefix][]Route, error) {
	var table struct {
		Routes map[netip.Prefix][]frrPath `json:"routes"`
	}
	if err := f.Show(ctx, fmt.Sprintf("bgp %s unicast json detail", family), &table); err != nil {
		return nil, err
	}
	routes := map[netip.Prefix][]Route{}
	for prefix, paths := range table.Routes {
		for _, path := range paths {
			if path.Prefix == "" {
				routes[prefix] = append(routes[prefix], path.route())
			}
		}
		bestFirst(routes[prefix])
	}
	return routes, nil
}

func (p frrPath) route() Route {
	r := Route{Origin: frrOrigin(p.Origin), LocalPref: p.LocalPref, MED: p.MED, Best: p.Best.Overall || p.Multipath, Stale: p.Stale}
	if p.Peer.Type != "" { // none on the router's own
		if peer, err := netip.ParseAddr(p.Peer.ID); err == nil {
			r.Peer = peer.WithZone("")
		}
	}
	for _, hop := range p.NextHops {
		if addr, err := netip.ParseAddr(hop.IP); err == nil {
			r.NextHops = append(r.NextHops, addr.WithZone(""))
		}
	}
	for _, segment := range p.ASPath.Segments {
		r.ASPath = append(r.ASPath, segment.List...)
	}
	if p.Community != nil {
		r.Communities = frrCommunities(p.Community.List)
	}
	if p.LargeCommunity != nil {
		r.LargeCommunities = sorted(p.LargeCommunity.List)
	}
	if p.ExtendedCommunity != nil {
		r.ExtendedCommunities = frrExtendedCommunities(p.ExtendedCommunity.Text)
	}
	return r
}

func frrOrigin(word string) string {
	if word == "incomplete" {
		return "Incomplete"
	}
	return word
}

// frrCommunities writes FRR's names for well-known communities as the numbers that they stand for.
func frrCommunities(list []string) []string {
	wellKnown := map[string]string{
		"gracefulShutdown": "65535:0", "acceptown": "65535:1", "llgrStale": "65535:6", "noLlgr": "65535:7", "blackhole": "65535:666",
		"noExport": "65535:65281", "noAdvertise": "65535:65282", "localAs": "65535:65283", "noPeer": "65535:65284", "internet": "0:0",
	}
	numbers := make([]string, 0, len(list))
	for _, name := range list {
		numbers = append(numbers, cmp.Or(wellKnown[name], name))
	}
	return sorted(numbers)
}

// frrExtendedCommunities reads "RT:64496:7 LB:64496:125000 (1.000 Mbps)".
func frrExtendedCommunities(text string) []string {
	var list []string
	for word := range strings.FieldsSeq(text) {
		if strings.Count(word, ":") > 1 { // else part of the remark
			list = append(list, strings.ToLower(word))
		}
	}
	return sorted(list)
}

// frrBFDPeer is what BFDPeers needs of `show bfd peers json`.
type frrBFDPeer struct {
	Peer             netip.Addr `json:"peer"`
	Local            netip.Addr `json:"local"` // absent at times
	Interface        string     `json:"interface"`
	Multihop         bool       `json:"multihop"`
	Status           string     `json:"status"`
	Diagnostic       string     `json:"diagnostic"`
	RemoteDiagnostic string     `json:"remote-diagnostic"`
	Receive          int64      `json:"receive-interval"`
	Transmit         int64      `json:"transmit-interval"`
	Multiplier       int        `json:"detect-multiplier"`
	RemoteReceive    int64      `json:"remote-receive-interval"`
	RemoteTransmit   int64      `json:"remote-transmit-interval"`
	RemoteMultiplier int        `json:"remote-detect-multiplier"`
}

// BFDPeers returns FRR's BFD sessions.
func (f *FRR) BFDPeers(ctx context.Context) (map[netip.Addr]BFDPeer, error) {
	var entries []frrBFDPeer
	if err := f.Show(ctx, "bfd peers json", &entries); err != nil {
		return nil, err
	}
	peers := map[netip.Addr]BFDPeer{}
	for _, e := range entries {
		peers[e.Peer.WithZone("")] = BFDPeer{
			Addr: e.Peer.WithZone(""), Local: e.Local.WithZone(""), Interface: e.Interface, Multihop: e.Multihop, State: frrBFDState(e.Status),
			Transmit: milliseconds(e.Transmit), Receive: milliseconds(e.Receive), Multiplier: e.Multiplier,
			RemoteTransmit: milliseconds(e.RemoteTransmit), RemoteReceive: milliseconds(e.RemoteReceive), RemoteMultiplier: e.RemoteMultiplier,
			Diagnostic: e.Diagnostic, RemoteDiagnostic: e.RemoteDiagnostic,
		}
	}
	return peers, nil
}

func frrBFDState(status string) string {
	if status == "shutdown" {
		return "admindown"
	}
	return status
}
