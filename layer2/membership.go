package layer2

import (
	"fmt"
	"net/netip"
)

// joinBurst is how many groups are joined or left in one go: as many as one
// report holds. With thousands of memberships each takes the kernel some 50 µs,
// and announcing and withdrawing must not wait for all of them.
const joinBurst = mldMost

// memberships are the solicited-node groups of the addresses on one NDP port.
// They are a set, computed anew with every change: addresses that share a group
// need no counting. The zero value, for ARP, is a member of nothing for ever.
type memberships struct {
	link   string
	groups Groups // nil for ARP
	wanted map[netip.Addr]bool
	joined map[netip.Addr]bool

	pending bool         // step has something to do or to say
	todo    []netip.Addr // where wanted and joined differ
	err     error        // the first failure since want
}

// want makes the groups of addrs the ones to be in.
func (m *memberships) want(addrs []netip.Addr) {
	if m.groups == nil {
		return
	}
	m.pending, m.todo, m.err = true, nil, nil
	m.wanted = make(map[netip.Addr]bool, len(addrs))
	for _, addr := range addrs {
		group := solicitedNode(addr)
		if !m.wanted[group] && !m.joined[group] {
			m.todo = append(m.todo, group)
		}
		m.wanted[group] = true
	}
	for group := range m.joined {
		if !m.wanted[group] {
			m.todo = append(m.todo, group)
		}
	}
}

// step goes on towards what is wanted, and returns the groups it has joined. When
// nothing is left to do it reports true and what went wrong on the way; one group
// that cannot be joined keeps none of the others out.
func (m *memberships) step() (joined []netip.Addr, done bool, err error) {
	burst := m.todo[:min(len(m.todo), joinBurst)]
	m.todo = m.todo[len(burst):]
	for _, group := range burst {
		if !m.wanted[group] {
			_ = m.groups.Leave(group) // fails only if the link is gone, and then it is left
			delete(m.joined, group)
			continue
		}
		if err := m.groups.Join(group); err != nil {
			if m.err == nil {
				m.err = fmt.Errorf("layer2: failed to join multicast group %s on %s: %w", group, m.link, err)
			}
			continue
		}
		m.joined[group] = true
		joined = append(joined, group)
	}
	m.pending = len(m.todo) > 0
	return joined, !m.pending, m.err
}
