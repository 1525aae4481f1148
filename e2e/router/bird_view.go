package router

import (
	"context"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// birdNeighbor is a BGP protocol of BIRD: what the rest of the world calls a neighbour, with the name the configuration has for it.
type birdNeighbor struct {
	protocol  string
	announced string // the capability being read
	Neighbor
}

// Neighbors returns what BIRD thinks of its BGP neighbours.
func (b *BIRD) Neighbors(ctx context.Context) (map[netip.Addr]Neighbor, error) {
	list, err := b.neighbors(ctx)
	if err != nil {
		return nil, err
	}
	neighbors := map[netip.Addr]Neighbor{}
	for _, n := range list {
		neighbors[n.Addr] = n.Neighbor
	}
	return neighbors, nil
}

func (b *BIRD) neighbors(ctx context.Context) ([]birdNeighbor, error) {
	out, err := b.Birdc(ctx, "show protocols all")
	if err != nil {
		return nil, err
	}
	return parseBIRDNeighbors(out), nil
}

// parseBIRDNeighbors reads `show protocols all`: a line for each protocol, and what belongs to it in indented lines below, of the form
// "name: value" or, for capabilities, of a name alone.
func parseBIRDNeighbors(text string) []birdNeighbor {
	var list []birdNeighbor
	var current *birdNeighbor
	section, channel := "", Family("")
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if fields := strings.Fields(line); line != "" && line[0] != ' ' {
			current = nil
			if len(fields) > 1 && fields[1] == "BGP" {
				list = append(list, birdNeighbor{protocol: fields[0], Neighbor: Neighbor{Accepted: map[Family]int{}}})
				current, section, channel = &list[len(list)-1], "", ""
			}
			continue
		}
		if current == nil {
			continue
		}
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch {
		case strings.HasSuffix(name, " capabilities"): // "Local …" or "Neighbor …"
			section = name
		case strings.HasPrefix(name, "Channel "):
			section, channel = "Channel", Family(strings.TrimPrefix(name, "Channel "))
		case section == "Local capabilities" && strings.HasPrefix(line, "      "):
		case section == "Neighbor capabilities" && strings.HasPrefix(line, "      "):
			if !strings.HasPrefix(line, "        ") {
				current.announced = name
			}
			current.capability(name, value)
		case section == "Channel" && name == "Routes":
			current.Accepted[channel] = birdNumber(value)
		case section == "Channel" && name == "State" && value == "UP":
			current.Families = append(current.Families, channel)
		case section != "Channel":
			section = ""
			current.detail(name, value)
		}
	}
	return list
}

func (n *birdNeighbor) detail(name, value string) {
	switch name {
	case "BGP state":
		n.State = value
	case "Neighbor address":
		addr, _, _ := strings.Cut(value, "%")
		n.Addr, _ = netip.ParseAddr(addr)
	case "Neighbor AS":
		n.RemoteAS = uint32(birdNumber(value))
	case "Local AS":
		n.LocalAS = uint32(birdNumber(value))
	case "Neighbor ID":
		n.RouterID, _ = netip.ParseAddr(value)
	case "Hold timer": // what is left, and of what
		n.HoldTime = birdTimer(value)
	case "Keepalive timer":
		n.KeepaliveTime = birdTimer(value)
	case "Last error":
		n.LastReset = value
	case "Message":
		n.Message = value
	}
}

func (n *birdNeighbor) capability(name, value string) {
	g := &n.GracefulRestart
	switch name {
	case "4-octet AS numbers":
		n.FourOctetAS = true
	case "Route refresh":
		n.RouteRefresh = true
	case "Extended next hop":
		n.ExtendedNextHop = true
	case "Hostname":
		n.Hostname = value
	case "Graceful restart":
		g.Announced = true
	case "Restart time":
		g.Time = time.Duration(birdNumber(value)) * time.Second
	case "Restart recovery":
		g.Restarting = true
	}
	if n.announced != "Graceful restart" { // the long-lived kind has families too
		return
	}
	switch name {
	case "AF supported":
		g.Families = birdFamilies(value)
	case "AF preserved":
		g.Preserved = birdFamilies(value)
	}
}

// birdFamilies reads "ipv4 ipv6".
func birdFamilies(text string) []Family {
	families := []Family{}
	for word := range strings.FieldsSeq(text) {
		families = append(families, Family(word))
	}
	slices.Sort(families)
	return families
}

// birdNumber reads the number that a text begins with; 0 if it does not.
func birdNumber(text string) int {
	word, _, _ := strings.Cut(text, " ")
	n, _ := strconv.Atoi(word)
	return n
}

// birdTimer reads "159.373/180": what is left of a timer, and its whole.
func birdTimer(text string) time.Duration {
	_, whole, _ := strings.Cut(text, "/")
	return time.Duration(birdNumber(whole)) * time.Second
}

// Routes returns BIRD's table of the family, which holds more than BGP.
func (b *BIRD) Routes(ctx context.Context, family Family) (map[netip.Prefix][]Route, error) {
	table := map[Family]string{IPv4: "master4", IPv6: "master6"}[family]
	out, err := b.Birdc(ctx, "show route table "+table+" all")
	if err != nil {
		return nil, err
	}
	neighbors, err := b.neighbors(ctx)
	if err != nil {
		return nil, err
	}
	peers := map[string]netip.Addr{}
	for _, n := range neighbors {
		peers[n.protocol] = n.Addr
	}
	return parseBIRDRoutes(out, peers), nil
}

// birdPath matches the first line of a path: a prefix unless it is the same as the last path's, the protocol that brought it, a star if
// it is the best, and the preference, with an s behind it if it is stale.
var birdPath = regexp.MustCompile(`^(\S*)\s+\S+ \[(\S+) [^\]]*\] (\* )?\((\d+)(s?)`)

// parseBIRDRoutes reads `show route all`.
func parseBIRDRoutes(text string, peers map[string]netip.Addr) map[netip.Prefix][]Route {
	routes := map[netip.Prefix][]Route{}
	var prefix netip.Prefix
	for line := range strings.Lines(text) {
		if match := birdPath.FindStringSubmatch(line); match != nil {
			if match[1] != "" {
				prefix, _ = netip.ParsePrefix(match[1])
			}
			routes[prefix] = append(routes[prefix], Route{Peer: peers[match[2]], Best: match[3] != "", Stale: match[5] != ""})
			continue
		}
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && len(routes[prefix]) > 0 {
			routes[prefix][len(routes[prefix])-1].birdAttribute(name, value)
		}
	}
	for _, paths := range routes {
		bestFirst(paths)
	}
	return routes
}

func (r *Route) birdAttribute(name, value string) {
	switch name {
	case "BGP.origin":
		r.Origin = value
	case "BGP.as_path":
		for word := range strings.FieldsSeq(value) {
			r.ASPath = append(r.ASPath, uint32(birdNumber(word)))
		}
	case "BGP.next_hop":
		for word := range strings.FieldsSeq(value) {
			if addr, err := netip.ParseAddr(word); err == nil {
				r.NextHops = append(r.NextHops, addr)
			}
		}
	case "BGP.local_pref":
		r.LocalPref = new(uint32(birdNumber(value)))
	case "BGP.med":
		r.MED = new(uint32(birdNumber(value)))
	case "BGP.community":
		r.Communities = birdTuples(value)
	case "BGP.large_community":
		r.LargeCommunities = birdTuples(value)
	case "BGP.ext_community":
		r.ExtendedCommunities = birdTuples(value)
	}
}

// birdTuples reads "(65535,0) (64496,100)" and "(rt, 64496, 7)".
func birdTuples(text string) []string {
	var list []string
	for tuple := range strings.SplitSeq(text, ")") {
		if _, inside, ok := strings.Cut(tuple, "("); ok {
			list = append(list, strings.NewReplacer("unknown ", "", "generic, ", "", ", ", ":", ",", ":").Replace(inside))
		}
	}
	return sorted(list)
}

// BFDPeers returns BIRD's BFD sessions.
func (b *BIRD) BFDPeers(ctx context.Context) (map[netip.Addr]BFDPeer, error) {
	out, err := b.Birdc(ctx, "show bfd sessions")
	if err != nil {
		return nil, err
	}
	return parseBIRDBFD(out), nil
}

// parseBIRDBFD reads `show bfd sessions`: lines of address, interface or "---" if multihop, state, since when, interval, timeout.
func parseBIRDBFD(text string) map[netip.Addr]BFDPeer {
	peers := map[netip.Addr]BFDPeer{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 6 {
			continue
		}
		addr, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue // a heading
		}
		addr = addr.WithZone("")
		multihop := fields[1] == "---"
		if multihop {
			fields[1] = ""
		}
		peers[addr] = BFDPeer{
			Addr: addr, Interface: fields[1], Multihop: multihop, State: strings.ToLower(fields[2]),
			Interval: birdSeconds(fields[len(fields)-2]), DetectionTime: birdSeconds(fields[len(fields)-1]),
		}
	}
	return peers
}

// birdSeconds reads "0.300".
func birdSeconds(text string) time.Duration {
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
}
