package announce

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

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
	text := fmt.Sprintf("none of the selected interfaces (%s) can answer %s", strings.Join(allowed.names, ", "), protocol)
	if able := (&selection{all: true}).of(f.interfaces, v4); len(able) > 0 {
		text += "; " + strings.Join(able, ", ") + " could"
	}
	return text
}
