package announce

import (
	"bytes"
	"crypto/sha256"
	"net/netip"
	"slices"

	"github.com/clarion-lb/clarion/config"
)

// election is the outcome for one address. Kept, it spares the next one work.
type election struct {
	// owner is a position in the nodes of snap; -1 for nobody.
	owner int
	// leader is the Service whose first address and preferences decided.
	leader *Service
	// candidates are the nodes that stood.
	candidates config.NodeSet
	snap       *config.Snapshot
}

// elect names the owner of one address among the nodes that its claims leave.
//
// Services that share an address need not agree on who may own it (they may
// have endpoints on different nodes), yet it has only one owner: a node that
// suits the first of them, and of the others, in their order, each that leaves
// a node at all. Losing a node that is not the owner therefore moves nothing: the
// owner is in every set on the way to the last one, so that none which was not
// empty becomes empty.
func (f *facts) elect(claims []claim, before election) election {
	e := election{owner: -1, snap: f.snap}
	var lead *claim
	for i := range claims {
		c := &claims[i]
		if c.candidates.Empty() {
			continue
		}
		if lead == nil {
			lead, e.candidates = c, c.candidates
			continue
		}
		both := slices.Clone(e.candidates)
		if both.Intersect(c.candidates); !both.Empty() {
			e.candidates = both
		}
	}
	if lead == nil {
		return e
	}
	e.leader = lead.service
	// A node that is leaving stands back for any that stays. Coming last, this
	// too lets the loss of another node move nothing: an owner that stays is
	// left as one that stays, and one that is leaving owns because none did.
	if !f.draining.Empty() {
		staying := slices.Clone(e.candidates)
		if staying.Subtract(f.draining); !staying.Empty() {
			e.candidates = staying
		}
	}
	// Each node is ranked on its own, so that who lost to the owner still
	// does: while the owner stands, only newcomers can beat it.
	contenders := e.candidates
	if before.snap == e.snap && before.leader == e.leader && e.candidates.Has(before.owner) {
		contenders = slices.Clone(e.candidates)
		contenders.Subtract(before.candidates)
		contenders.Add(before.owner)
	}
	e.owner = owner(f.snap.Nodes, contenders, e.leader.Addresses[0], preferences(lead.advertisements))
	return e
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

// owner elects one of the candidates by rendezvous hashing: the highest
// preference first, then the lowest SHA-256 of "<node>#<key>". It returns the
// node's position, or -1 if there is no candidate.
//
// The order is MetalLB's, bit for bit, so that a cluster can be migrated node
// by node without moving an address; key is the text of the first address of
// the Service, hence one Service's addresses stay together. Because each node
// is ranked on its own, a node that joins or leaves moves only the addresses
// it gains or loses.
func owner(nodes []config.Node, candidates config.NodeSet, key netip.Addr, preferences []config.Preference) int {
	var (
		best      = -1
		bestScore int
		bestHash  [sha256.Size]byte
		buf       [320]byte // a node name is at most 253 bytes, an address 45
		text      = append(buf[:0], '#')
	)
	text = key.AppendTo(text)
	suffix := len(text)
	for i := range candidates.All {
		score := 0
		for _, p := range preferences {
			if p.Nodes.Has(i) {
				score += p.Weight
			}
		}
		if best >= 0 && score < bestScore {
			continue
		}
		// "#<key>" stands at the front of the buffer once; each name is put
		// behind it with a copy, so that the text is one contiguous piece.
		text = append(text[:suffix], nodes[i].Name...)
		text = append(text, text[:suffix]...)
		hash := sha256.Sum256(text[suffix:])
		if best < 0 || score > bestScore || bytes.Compare(hash[:], bestHash[:]) < 0 {
			best, bestScore, bestHash = i, score, hash
		}
	}
	return best
}
