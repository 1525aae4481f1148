package announce

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/layer2"
)

// usable returns the links this node can answer on, sorted by name, each with
// the protocols it can speak. Whether an address may use one is a matter of
// its advertisements.
func usable(local Local) []layer2.Interface {
	var out []layer2.Interface
	for _, l := range local.Links {
		if !l.Up || !l.Carrier || l.NoARP || l.Master != "" || excluded(l.Name, local.Exclude) || l.MAC == [6]byte{} {
			continue
		}
		i := layer2.Interface{
			Name:  l.Name,
			Index: l.Index,
			MAC:   l.MAC,
			ARP:   l.Broadcast,
			NDP:   l.LinkLocal.IsValid(),

			LinkLocal: l.LinkLocal,
		}
		if i.ARP || i.NDP {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b layer2.Interface) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Usable returns what a node says of itself to the others: the links it can
// answer on.
func Usable(local Local) []MemberLink {
	var out []MemberLink
	for _, i := range usable(local) {
		out = append(out, MemberLink{Name: i.Name, IPv4: i.ARP, IPv6: i.NDP, MAC: i.MAC})
	}
	return out
}

func excluded(name string, exclude []*regexp.Regexp) bool {
	return slices.ContainsFunc(exclude, func(re *regexp.Regexp) bool { return re.MatchString(name) })
}

// selection is the set of interface names that advertisements allow.
type selection struct {
	all   bool
	names []string // sorted, when not all
}

func (s *selection) add(all bool, names []string) {
	s.all = s.all || all
	s.names = append(s.names, names...)
	slices.Sort(s.names)
	s.names = slices.Compact(s.names)
}

// of returns the names among the interfaces that the selection allows and
// that speak the protocol of the address family.
func (s *selection) of(interfaces []layer2.Interface, v4 bool) []string {
	var out []string
	for _, i := range interfaces {
		speaks := i.NDP
		if v4 {
			speaks = i.ARP
		}
		if _, named := slices.BinarySearch(s.names, i.Name); speaks && (s.all || named) {
			out = append(out, i.Name)
		}
	}
	return out
}

// unableOf says, for a person, why this node can answer nothing on interfaces
// that advertisements name. Those that it can answer on are left out.
func unableOf(snap *config.Snapshot, local Local) map[string]string {
	out := map[string]string{}
	for _, pool := range snap.Pools {
		for _, ad := range pool.L2 {
			for _, name := range ad.Interfaces {
				if _, done := out[name]; !done {
					out[name] = unable(name, local)
				}
			}
		}
	}
	maps.DeleteFunc(out, func(_, why string) bool { return why == "" })
	return out
}

// unable says why nothing can be answered on an interface; empty if it can.
func unable(name string, local Local) string {
	i := slices.IndexFunc(local.Links, func(l Link) bool { return l.Name == name })
	if i < 0 {
		return "is not there"
	}
	switch l := &local.Links[i]; {
	case excluded(name, local.Exclude):
		return "is to be left alone by ConfigMap metallb-excludel2"
	case l.Master != "":
		return "is part of " + l.Master
	case !l.Up:
		return "is down"
	case !l.Carrier:
		return "has no carrier"
	case l.NoARP:
		return "has ARP switched off"
	case l.MAC == [6]byte{}:
		return "is no Ethernet interface"
	}
	return "" // or only for one family
}

// interfaceless says, for a person, why no interface can answer.
func (f *facts) interfaceless(allowed selection, v4 bool) string {
	protocol := layer2.NDP
	if v4 {
		protocol = layer2.ARP
	}
	switch {
	case len(allowed.of(f.interfaces, v4)) > 0:
		return fmt.Sprintf("its interfaces can answer %s, and the other nodes have yet to hear so", protocol)
	case allowed.all:
		return fmt.Sprintf("no interface of this node can answer %s", protocol)
	}
	named := make([]string, len(allowed.names))
	for i, name := range allowed.names {
		why := f.unable[name]
		switch {
		case why != "":
		case v4:
			why = "has no broadcast"
		default:
			why = "has no link-local address"
		}
		named[i] = name + " " + why
	}
	text := fmt.Sprintf("none of the selected interfaces (%s) can answer %s", strings.Join(named, ", "), protocol)
	if able := (&selection{all: true}).of(f.interfaces, v4); len(able) > 0 {
		text += "; " + strings.Join(able, ", ") + " could"
	}
	return text
}
