package config

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/clarion-lb/clarion/bgp"
)

// aliases are names for communities; each value holds exactly one.
type aliases map[string]bgp.Attributes

// compileCommunities reads all Community objects into one table. An alias
// without a name is one that nobody can use.
func compileCommunities(o Objects) (aliases, []Problem) {
	table, home := aliases{}, map[string]string{}
	var found []Problem
	for _, obj := range eldestFirst(o.Communities) {
		ps := problems{kind: "Community", meta: &obj.ObjectMeta}
		for i, alias := range obj.Spec.Communities {
			field := fmt.Sprintf("spec.communities[%d]", i)
			community, ok := parseCommunity(alias.Value)
			first, taken := home[alias.Name]
			switch {
			case !ok:
				ps.add(field+".value", alias.Value, "is not a community such as "+communityExamples)
			case alias.Name == "":
			case taken && first == obj.Name:
				ps.add(field+".name", alias.Name, "is defined earlier in this object")
			case taken:
				ps.add(field+".name", alias.Name, fmt.Sprintf("is defined in Community %q, which takes precedence", first))
			default:
				table[alias.Name], home[alias.Name] = community, obj.Name
			}
		}
		found = append(found, ps.found...)
	}
	return table, found
}

// communities reads the communities of an advertisement into attributes. An
// alias comes first, then what is known by name, then a community as such.
func (p *problems) communities(texts []string, table aliases) bgp.Attributes {
	var out bgp.Attributes
	for i, text := range texts {
		one, ok := table[text]
		if !ok {
			one, ok = wellKnown(text)
		}
		if !ok {
			one, ok = parseCommunity(text)
		}
		if !ok {
			p.add(fmt.Sprintf("spec.communities[%d]", i), text, "is neither an alias in a Community object, "+
				"nor a well-known name such as no-export, nor a community such as "+communityExamples)
		}
		out.Communities = append(out.Communities, one.Communities...)
		out.LargeCommunities = append(out.LargeCommunities, one.LargeCommunities...)
		out.ExtendedCommunities = append(out.ExtendedCommunities, one.ExtendedCommunities...)
	}
	slices.Sort(out.Communities)
	slices.SortFunc(out.LargeCommunities, func(a, b bgp.LargeCommunity) int {
		return cmp.Or(cmp.Compare(a.Global, b.Global), cmp.Compare(a.Local1, b.Local1), cmp.Compare(a.Local2, b.Local2))
	})
	slices.SortFunc(out.ExtendedCommunities, func(a, b bgp.ExtendedCommunity) int { return bytes.Compare(a[:], b[:]) })
	out.Communities = slices.Compact(out.Communities)
	out.LargeCommunities = slices.Compact(out.LargeCommunities)
	out.ExtendedCommunities = slices.Compact(out.ExtendedCommunities)
	return out
}

// wellKnown finds a community by the name of its RFC, as routers' command
// lines write it: in any case, with hyphens or underscores.
func wellKnown(name string) (bgp.Attributes, bool) {
	var c bgp.Community
	switch strings.ReplaceAll(strings.ToLower(name), "_", "-") {
	case "graceful-shutdown":
		c = bgp.GracefulShutdown
	case "accept-own":
		c = bgp.AcceptOwn
	case "llgr-stale":
		c = bgp.LLGRStale
	case "no-llgr":
		c = bgp.NoLLGR
	case "blackhole":
		c = bgp.Blackhole
	case "no-export":
		c = bgp.NoExport
	case "no-advertise":
		c = bgp.NoAdvertise
	case "no-export-subconfed", "local-as":
		c = bgp.NoExportSubconfed
	case "no-peer", "nopeer":
		c = bgp.NoPeer
	default:
		return bgp.Attributes{}, false
	}
	return bgp.Attributes{Communities: []bgp.Community{c}}, true
}

const communityExamples = "64496:100, large:64496:1:2 or extended:rt:64496:100"

// parseCommunity reads one community, and reports whether it is one:
//
//	64496:100                        standard (RFC 1997)
//	large:64496:1:2                  large (RFC 8092)
//	extended:rt:64496:100            route target (RFC 4360, section 4), also
//	extended:rt:192.0.2.1:100        of an IPv4 address or of a 4-octet
//	extended:rt:4200000000:100       autonomous system (RFC 5668)
//	extended:soo:64496:100           route origin (RFC 4360, section 5), likewise
//	extended:bandwidth:64496:125000  link bandwidth in octets per second
//	                                 (draft-ietf-idr-link-bandwidth)
func parseCommunity(text string) (bgp.Attributes, bool) {
	if rest, ok := strings.CutPrefix(text, "large:"); ok {
		if n, ok := numbers(rest, 32, 32, 32); ok {
			large := bgp.LargeCommunity{Global: uint32(n[0]), Local1: uint32(n[1]), Local2: uint32(n[2])}
			return bgp.Attributes{LargeCommunities: []bgp.LargeCommunity{large}}, true
		}
	} else if rest, ok := strings.CutPrefix(text, "extended:"); ok {
		if extended, ok := parseExtended(rest); ok {
			return bgp.Attributes{ExtendedCommunities: []bgp.ExtendedCommunity{extended}}, true
		}
	} else if n, ok := numbers(text, 16, 16); ok {
		return bgp.Attributes{Communities: []bgp.Community{bgp.Community(n[0]<<16 | n[1])}}, true
	}
	return bgp.Attributes{}, false
}

// The types and sub-types of extended communities.
const (
	twoOctetAS    = 0x00 // RFC 4360, section 3.1
	ipv4Address   = 0x01 // RFC 4360, section 3.2
	fourOctetAS   = 0x02 // RFC 5668
	nonTransitive = 0x40 // RFC 4360, section 3

	routeTarget   = 0x02
	routeOrigin   = 0x03
	linkBandwidth = 0x04
)

func parseExtended(text string) (bgp.ExtendedCommunity, bool) {
	kind, rest, _ := strings.Cut(text, ":")
	switch kind {
	case "rt":
		return parseAdministered(routeTarget, rest)
	case "soo":
		return parseAdministered(routeOrigin, rest)
	case "bandwidth":
		n, ok := numbers(rest, 16, 64)
		if !ok {
			return bgp.ExtendedCommunity{}, false
		}
		c := bgp.ExtendedCommunity{nonTransitive | twoOctetAS, linkBandwidth}
		binary.BigEndian.PutUint16(c[2:], uint16(n[0]))
		binary.BigEndian.PutUint32(c[4:], math.Float32bits(float32(n[1])))
		return c, true
	default:
		return bgp.ExtendedCommunity{}, false
	}
}

// parseAdministered reads administrator:number, and takes the form in which
// both fit into six octets.
func parseAdministered(subtype byte, text string) (bgp.ExtendedCommunity, bool) {
	c := bgp.ExtendedCommunity{twoOctetAS, subtype}
	if n, ok := numbers(text, 16, 32); ok {
		binary.BigEndian.PutUint16(c[2:], uint16(n[0]))
		binary.BigEndian.PutUint32(c[4:], uint32(n[1]))
		return c, true
	}
	if n, ok := numbers(text, 32, 16); ok {
		c[0] = fourOctetAS
		binary.BigEndian.PutUint32(c[2:], uint32(n[0]))
		binary.BigEndian.PutUint16(c[6:], uint16(n[1]))
		return c, true
	}
	address, number, _ := strings.Cut(text, ":")
	a, err := netip.ParseAddr(address)
	n, ok := numbers(number, 16)
	if err != nil || !a.Is4() || !ok {
		return bgp.ExtendedCommunity{}, false
	}
	c[0] = ipv4Address
	copy(c[2:], a.AsSlice())
	binary.BigEndian.PutUint16(c[6:], uint16(n[0]))
	return c, true
}

// numbers reads decimal numbers separated by colons, one for each of the sizes
// in bits, and reports whether that is what the text is.
func numbers(text string, sizes ...int) ([]uint64, bool) {
	parts := strings.Split(text, ":")
	if len(parts) != len(sizes) {
		return nil, false
	}
	out := make([]uint64, len(parts))
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, sizes[i])
		if err != nil {
			return nil, false
		}
		out[i] = n
	}
	return out, true
}
