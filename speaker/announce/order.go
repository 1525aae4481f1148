package announce

import (
	"bytes"
	"crypto/sha256"
	"net/netip"

	"github.com/clarion-lb/clarion/config"
)

// order is how one claim ranks nodes: the highest preference first, then the
// lowest SHA-256 of "<node>#<key>".
//
// It is MetalLB's, bit for bit, so that a cluster can be migrated node by node
// without moving an address; key is the text of the first address of the
// Service, hence one Service's addresses stay together. Because each node is
// ranked on its own, a node that joins or leaves moves only the addresses it
// gains or loses.
type order struct {
	preferences []config.Preference
	text        [360]byte // "#<key>", room for a node name (253 bytes), and again
	key         int       // the length of the first part
}

func orderOf(lead *claim) order {
	return newOrder(lead.service.Addresses[0], preferences(lead.advertisements))
}

func newOrder(key netip.Addr, preferences []config.Preference) order {
	o := order{preferences: preferences}
	o.key = len(key.AppendTo(append(o.text[:0], '#')))
	return o
}

// rank is one node's place in an order.
type rank struct {
	score int
	hash  [sha256.Size]byte
}

func (r *rank) before(o *rank) bool {
	return r.score > o.score || r.score == o.score && bytes.Compare(r.hash[:], o.hash[:]) < 0
}

func (o *order) score(node int) int {
	score := 0
	for _, p := range o.preferences {
		if p.Nodes.Has(node) {
			score += p.Weight
		}
	}
	return score
}

// hash is of one contiguous piece of text: the name is put behind "#<key>", and
// that once more behind the name.
func (o *order) hash(name string) [sha256.Size]byte {
	text := append(o.text[:o.key], name...)
	text = append(text, o.text[:o.key]...)
	return sha256.Sum256(text[o.key:])
}

// first returns the position of the first of the candidates, or -1 if there is
// none.
func (o *order) first(nodes []config.Node, candidates config.NodeSet) int {
	best, at := rank{}, -1
	for i := range candidates.All {
		r := rank{score: o.score(i)}
		if at >= 0 && r.score < best.score {
			continue
		}
		r.hash = o.hash(nodes[i].Name)
		if at < 0 || r.before(&best) {
			best, at = r, i
		}
	}
	return at
}

// ahead returns those of a set that come before one node.
func (o *order) ahead(nodes []config.Node, set config.NodeSet, of int) config.NodeSet {
	mark := rank{score: o.score(of), hash: o.hash(nodes[of].Name)}
	out := config.NewNodeSet(len(nodes))
	for i := range set.All {
		r := rank{score: o.score(i)}
		if r.score < mark.score {
			continue
		}
		if r.hash = o.hash(nodes[i].Name); r.before(&mark) {
			out.Add(i)
		}
	}
	return out
}

// preferences returns those of all the advertisements; they add up.
func preferences(ads []*config.L2Advertisement) []config.Preference {
	if len(ads) == 1 {
		return ads[0].Preferences
	}
	var out []config.Preference
	for _, ad := range ads {
		out = append(out, ad.Preferences...)
	}
	return out
}
