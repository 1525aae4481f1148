package main

import (
	"github.com/clarion-lb/clarion/internal/members"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// show tells the others what this node can announce on.
func (p *peers) show(links []announce.MemberLink) {
	if p.list == nil {
		return
	}
	card := members.Card{Heartbeat: p.beats != nil, LinksKnown: true}
	for _, l := range links {
		card.Links = append(card.Links, members.Link{Name: l.Name, IPv4: l.IPv4, IPv6: l.IPv6, MAC: l.MAC, Recovering: l.Recovering})
	}
	p.list.SetCard(card)
}

// memberOf says what a member said, in the words of the deciding package.
func memberOf(m members.Member) announce.Member {
	out := announce.Member{Name: m.Name, LinksKnown: m.Card.LinksKnown}
	for _, l := range m.Card.Links {
		out.Links = append(out.Links, announce.MemberLink{Name: l.Name, IPv4: l.IPv4, IPv6: l.IPv6, MAC: l.MAC, Recovering: l.Recovering})
	}
	return out
}
