package interop_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/e2e/router"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/clarion-lb/clarion/e2e/interop"
)

// heard is what matters of a route that a router has heard.
type heard struct {
	Peer, NextHop                string
	ASPath                       []uint32
	LocalPref                    uint32 // of iBGP routes
	Communities, Large, Extended []string
}

// table returns what a router has heard, by prefix.
func table(t *testing.T, one router.Router, family router.Family) map[string][]heard {
	t.Helper()
	routes, err := one.Routes(t.Context(), family)
	check(t, err)
	out := map[string][]heard{}
	for prefix, paths := range routes {
		for _, path := range paths {
			if !path.Peer.IsValid() {
				continue
			}
			h := heard{
				Peer: path.Peer.String(), ASPath: path.ASPath,
				Communities: path.Communities, Large: path.LargeCommunities, Extended: path.ExtendedCommunities,
			}
			if len(path.NextHops) > 0 {
				h.NextHop = path.NextHops[0].String()
			}
			if len(path.ASPath) == 0 && path.LocalPref != nil {
				h.LocalPref = *path.LocalPref
			}
			out[prefix.String()] = append(out[prefix.String()], h)
		}
	}
	return out
}

// hears waits until a router has heard exactly these routes.
func hears(t *testing.T, one router.Router, family router.Family, want map[string][]heard) {
	t.Helper()
	eventually(t, func() string {
		if diff := cmp.Diff(want, table(t, one, family), cmpopts.EquateEmpty()); diff != "" {
			return fmt.Sprintf("%T's %s routes (-want +got):\n%s", one, family, diff)
		}
		return ""
	})
}

// session returns what a router thinks of a neighbour.
func session(t *testing.T, one router.Router, addr netip.Addr) router.Neighbor {
	t.Helper()
	neighbors, err := one.Neighbors(t.Context())
	check(t, err)
	return neighbors[addr]
}

// comesUp waits until a router says that a session is established.
func comesUp(t *testing.T, one router.Router, addr netip.Addr) router.Neighbor {
	t.Helper()
	var n router.Neighbor
	eventually(t, func() string {
		if n = session(t, one, addr); !n.Up() {
			return fmt.Sprintf("%T says the session with %s is %s: %s", one, addr, n.State, n.LastReset)
		}
		return ""
	})
	return n
}

// report returns what a speaker says of itself.
func report(t *testing.T, s *interop.Speaker) interop.Report {
	t.Helper()
	r, err := s.Report()
	check(t, err)
	return r
}

// saysCause waits until a speaker gives that cause for why a session is not established.
func saysCause(t *testing.T, s *interop.Speaker, peer string, want bgp.Cause) bgp.PeerStatus {
	t.Helper()
	var p bgp.PeerStatus
	eventually(t, func() string {
		if p = report(t, s).Peer(peer); p.LastCause != want || p.State == bgp.Established {
			return fmt.Sprintf("the speaker gives %q as the cause (%s) in state %d, want %q", p.LastCause, p.LastError, p.State, want)
		}
		return ""
	})
	if p.LastError == "" {
		t.Errorf("there is no sentence with the cause %q", want)
	}
	return p
}

// route is one without attributes.
func route(prefix string) bgp.Route { return bgp.Route{Prefix: netip.MustParsePrefix(prefix)} }

// ebgp is the order for one eBGP session with the router tor, which tests change as they need.
func ebgp(routes ...bgp.Route) interop.Order {
	return interop.Order{Peers: []interop.Peer{{
		Name:    "tor",
		Session: bgp.Session{Address: v4(torNumber), LocalASN: nodeAS, PeerASN: torAS, Families: bgp.Families{IPv4: true}, HoldTime: 9e9},
		Routes:  routes,
	}}}
}
