package bgp

import (
	"fmt"
	"net/netip"
	"slices"
)

// defaultLocalPref is what routers of our AS assume without LOCAL_PREF.
const defaultLocalPref = 100

// voice is how a session says a route: the part of an UPDATE that depends on the
// session, not on the route.
type voice struct {
	families   Families // negotiated
	ipv4, ipv6 nextHop
	asPath     []uint32
	internal   bool
}

func (m *machine) voice() voice {
	v := voice{families: m.agreed.families, internal: m.agreed.internal}
	v.ipv4, v.ipv6 = m.session.nextHops(m.path, m.theirs, m.agreed)
	if !v.internal {
		v.asPath = []uint32{m.session.LocalASN}
	}
	return v
}

// carried are the families of the routes that can be said.
func (v voice) carried() Families {
	return Families{IPv4: v.ipv4.carried(), IPv6: v.ipv6.carried()}
}

// announce says that some prefixes of one family are here; with farewell, that
// they will be gone soon (RFC 8326, section 4).
func (v voice) announce(prefixes []netip.Prefix, a *Attributes, farewell bool) Update {
	hop := v.ipv6
	if prefixes[0].Addr().Is4() {
		hop = v.ipv4
	}
	u := Update{
		Announce:     prefixes,
		NextHop:      hop.addr,
		LinkLocal:    hop.linkLocal,
		ASPath:       v.asPath,
		HasLocalPref: v.internal,
		Attributes:   a,
	}
	if v.internal {
		u.LocalPref = defaultLocalPref
		if a != nil && a.LocalPref != 0 {
			u.LocalPref = a.LocalPref
		}
	}
	if farewell {
		u.LocalPref, u.Attributes = 0, a.withGracefulShutdown()
	}
	return u
}

func (a *Attributes) withGracefulShutdown() *Attributes {
	var with Attributes
	if a != nil {
		with = *a
	}
	if i, found := slices.BinarySearch(with.Communities, GracefulShutdown); !found {
		with.Communities = slices.Insert(slices.Clone(with.Communities), i, GracefulShutdown)
	}
	return &with
}

// outbox knows what a router has been told (the Adj-RIB-Out of RFC 4271, section
// 3.2) and says what to tell it next.
type outbox struct {
	voice    voice
	told     Routes   // including those that cannot be carried
	farewell bool     // how they were told
	again    Families // asked for again
	ending   Families // of which End-of-RIB has not been sent

	// refused are routes whose attributes do not fit into a message.
	refused map[netip.Prefix]struct{}
}

func newOutbox(v voice) outbox { return outbox{voice: v, ending: v.families} }

// tell returns the messages after which the router knows the desired routes. It
// costs what has changed, or everything where everything is to be said again.
func (o *outbox) tell(desired Routes, farewell bool) []Message {
	changes := Diff(o.told, desired)
	again := o.again
	if farewell != o.farewell {
		again = Families{IPv4: true, IPv6: true}
	}
	if again != (Families{}) {
		all := slices.DeleteFunc(changes.Announce, func(r Route) bool { return again.Has(r.Prefix.Addr()) })
		for _, r := range Diff(Routes{}, desired).Announce {
			if again.Has(r.Prefix.Addr()) {
				all = append(all, r)
			}
		}
		changes.Announce = all
	}
	o.told, o.farewell, o.again = desired, farewell, Families{}

	// What is new goes first, so that nothing is missing where a route is
	// replaced by one to a longer or shorter prefix.
	messages := o.announce(changes.Announce)
	messages = append(messages, o.withdraw(changes.Withdraw)...)
	if o.ending.IPv4 {
		messages = append(messages, EndOfRIB{})
	}
	if o.ending.IPv6 {
		messages = append(messages, EndOfRIB{IPv6: true})
	}
	o.ending = Families{}
	return messages
}

// announce puts the routes of one family with equal attributes into one message.
func (o *outbox) announce(routes []Route) []Message {
	type group struct {
		attributes *Attributes
		prefixes   []netip.Prefix
	}
	type pointer struct {
		attributes *Attributes
		is4        bool
	}
	type value struct {
		attributes string
		is4        bool
	}
	if len(routes) == 0 {
		return nil
	}
	var groups []*group
	byPointer := make(map[pointer]*group)
	byValue := make(map[value]*group)
	carried := o.voice.carried()
	for _, r := range routes {
		delete(o.refused, r.Prefix)
		if !carried.Has(r.Prefix.Addr()) {
			continue
		}
		p := pointer{r.Attributes, r.Prefix.Addr().Is4()}
		g := byPointer[p]
		if g == nil {
			key := value{r.Attributes.Key(), p.is4}
			if g = byValue[key]; g == nil {
				g = &group{attributes: r.Attributes}
				byValue[key] = g
				groups = append(groups, g)
			}
			byPointer[p] = g
		}
		g.prefixes = append(g.prefixes, r.Prefix)
	}
	messages := make([]Message, 0, len(groups))
	for _, g := range groups {
		messages = append(messages, o.voice.announce(g.prefixes, g.attributes, o.farewell))
	}
	return messages
}

// withdraw puts the prefixes of one family into one message.
func (o *outbox) withdraw(prefixes []netip.Prefix) []Message {
	var ipv4, ipv6 []netip.Prefix
	carried := o.voice.carried()
	for _, p := range prefixes {
		if _, refused := o.refused[p]; refused { // never said
			delete(o.refused, p)
			continue
		}
		switch {
		case !carried.Has(p.Addr()):
		case p.Addr().Is4():
			ipv4 = append(ipv4, p)
		default:
			ipv6 = append(ipv6, p)
		}
	}
	var messages []Message
	for _, withdraw := range [][]netip.Prefix{ipv4, ipv6} {
		if len(withdraw) > 0 {
			messages = append(messages, Update{Withdraw: withdraw})
		}
	}
	return messages
}

// refuse notes that a message cannot be sent, and returns what withdraws the
// routes in it: the router may still have them with other attributes.
func (o *outbox) refuse(u Update) []Message {
	if len(u.Announce) == 0 {
		return nil
	}
	if o.refused == nil {
		o.refused = make(map[netip.Prefix]struct{})
	}
	for _, p := range u.Announce {
		o.refused[p] = struct{}{}
	}
	return []Message{Update{Withdraw: u.Announce}}
}

// advertised returns how many routes the router has been told.
func (o *outbox) advertised() int { return o.told.lenOf(o.voice.carried()) - len(o.refused) }

// notCarried returns how many routes the router cannot be told, and why.
func (o *outbox) notCarried(desired Routes) (n int, why string) {
	note := func(count int, reason string) {
		if count == 0 {
			return
		}
		if n > 0 {
			why += "; "
		}
		n += count
		why += reason
	}
	if !o.voice.ipv4.carried() {
		note(desired.ipv4, o.voice.ipv4.why)
	}
	if !o.voice.ipv6.carried() {
		note(desired.ipv6, o.voice.ipv6.why)
	}
	if refused := len(o.refused); refused > 0 {
		note(refused, fmt.Sprintf("the attributes of %d do not fit into a message", refused))
	}
	return n, why
}
