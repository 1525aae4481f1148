package announce

import (
	"bytes"
	"crypto/sha256"
	"net/netip"

	"github.com/clarion-lb/clarion/config"
)

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
