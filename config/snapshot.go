package config

import (
	"cmp"
	"net/netip"
	"slices"
)

// Snapshot is one consistent reading of the configuration. It is immutable:
// a change of any object makes a new one. The zero value holds nothing.
type Snapshot struct {
	// Pools are sorted by name, which is the order in which a Service that
	// names none is offered them.
	Pools []*Pool
	// Peers are sorted by name.
	Peers []*Peer
	// Nodes are sorted by name; a [NodeSet] counts positions in this slice.
	Nodes []Node

	// spans index the addresses of pools in force, ascending and disjoint.
	spans []span
}

// span is one range of addresses and the pool it belongs to.
type span struct {
	from, to netip.Addr
	pool     *Pool
}

// Pool returns the pool of that name, suspended ones included, or nil.
func (s *Snapshot) Pool(name string) *Pool {
	i, ok := slices.BinarySearchFunc(s.Pools, name, func(p *Pool, name string) int {
		return cmp.Compare(p.Name, name)
	})
	if !ok {
		return nil
	}
	return s.Pools[i]
}

// PoolOf returns the one pool that all the addresses belong to, or nil.
//
// From is the pool they were assigned from, as the Service's
// ip-allocated-from-pool annotation tells; may be empty. While that pool is
// suspended they stay its own, whatever else now contains them: a mistake in
// a pool, or in one that overlaps it, takes no address away.
func (s *Snapshot) PoolOf(addrs []netip.Addr, from string) *Pool {
	if len(addrs) == 0 {
		return nil
	}
	if p := s.Pool(from); p != nil && p.Suspended {
		return p
	}
	pool := s.poolAt(addrs[0])
	for _, a := range addrs[1:] {
		if s.poolAt(a) != pool {
			return nil
		}
	}
	return pool
}

// poolAt returns the pool in force that contains the address, or nil.
func (s *Snapshot) poolAt(a netip.Addr) *Pool {
	i, found := slices.BinarySearchFunc(s.spans, a, func(sp span, a netip.Addr) int {
		return sp.from.Compare(a)
	})
	if !found {
		i-- // the last span that starts before a
	}
	if i < 0 || s.spans[i].to.Less(a) {
		return nil
	}
	return s.spans[i].pool
}

// NodeIndex returns the position of the named node in Nodes, or -1.
func (s *Snapshot) NodeIndex(name string) int {
	i, ok := slices.BinarySearchFunc(s.Nodes, name, func(n Node, name string) int {
		return cmp.Compare(n.Name, name)
	})
	if !ok {
		return -1
	}
	return i
}
