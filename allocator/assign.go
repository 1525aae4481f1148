package allocator

import (
	"net/netip"
	"slices"

	"github.com/clarion-lb/clarion/config"
)

// Assign decides what one Service holds. It changes neither the ledger nor
// anything else, and the same arguments give the same outcome: asked again
// after [Ledger.Apply], it keeps what it gave and has nothing new to say.
//
// What the Service holds is what the ledger says; for a Service that the ledger
// does not know, what its status says. The search for an address begins with
// the ones held and their pool, so nothing moves that may stay.
//
// A Service that is not ours to serve (of another loadBalancerClass) is passed
// with LoadBalancer unset; what it holds of ours is then freed.
func Assign(snap *config.Snapshot, l *Ledger, svc config.Service) Outcome {
	s := newSearch(snap, l, &svc)
	if !svc.LoadBalancer {
		return s.dismiss()
	}
	found, refusals := s.find()
	if found.pool != nil {
		return s.conclude(found, refusals, s.shortfall(refusals))
	}
	if !forfeited(refusals) {
		found = s.kept()
	}
	return s.conclude(found, refusals, s.complaint(found, refusals))
}

// choice is the addresses a Service is to hold. The zero value is none.
type choice struct {
	addrs pair
	pool  *config.Pool
}

// dismiss frees the addresses of a Service that is no LoadBalancer of ours. It
// empties a status that is of our making: one the ledger knows, or one whose
// annotation names a pool. What another controller wrote stays.
func (s *search) dismiss() Outcome {
	leftover := s.svc.FromPool != "" && (s.held == pair{} || s.home != nil)
	if !s.recorded && !leftover {
		return Outcome{}
	}
	written := s.svc.FromPool != "" || slices.ContainsFunc(s.svc.Addresses, s.held.has)
	return Outcome{Action: Release, Changed: written}
}

// kept is what a Service keeps although its wish cannot be met: addresses that
// are still a pool's to give and that nobody else has. A mistake in a request
// or in the rules of a pool takes no address away.
func (s *search) kept() choice {
	if s.home == nil {
		return choice{}
	}
	c := choice{pool: s.home}
	for _, a := range s.held {
		if !a.IsValid() || !s.serves(config.FamilyOf(a)) || s.poolAt(a) != s.home {
			continue
		}
		if _, taken := s.ledger.conflictAt(a, s.svc); !taken {
			c.addrs[slot(config.FamilyOf(a))] = a
		}
	}
	if (c.addrs == pair{}) {
		return choice{}
	}
	return c
}

// forfeited reports whether the Service cannot use an address at all.
func forfeited(refusals []Refusal) bool {
	return slices.ContainsFunc(refusals, func(r Refusal) bool {
		return r.Reason == NoClusterIP || r.Reason == NotEnoughClusterIPs
	})
}

// conclude puts the outcome together from what was found and what stands
// against the Service.
func (s *search) conclude(found choice, refusals []Refusal, standing []Note) Outcome {
	o := Outcome{
		Action:   s.action(found),
		Refusals: refusals,
		Standing: slices.Concat(standing, s.standoff(found), s.unreadableStatus()),
	}
	if found.pool != nil {
		o.Assignment = Assignment{Addresses: s.list(found.addrs), Pool: found.pool.Name}
	}
	o.Changed = s.differs(o.Assignment) && (o.Action != Refuse || !s.foreign())

	lost, gained := s.held.minus(found.addrs), found.addrs.minus(s.held)
	if lost != (pair{}) && o.Action != Refuse && !forfeited(refusals) {
		o.Notes = append(o.Notes, s.cleared(lost))
	}
	if gained != (pair{}) {
		o.Notes = append(o.Notes, s.allocated(found, lost))
	}
	o.Notes = append(o.Notes, s.evaded(found, lost, gained)...)
	said := s.ledger.services[s.svc.Name].said
	for _, n := range o.Standing {
		if !slices.Contains(said, n) {
			o.Notes = append(o.Notes, n)
		}
	}
	return o
}

// action says what becomes of what is held, given what was found.
func (s *search) action(found choice) Action {
	none := s.held == pair{}
	switch {
	case found.pool == nil && (none || s.foreign()):
		return Refuse
	case found.pool == nil:
		return Release
	case found.addrs == s.held:
		return Keep
	case none:
		return Allocate
	default:
		return Move
	}
}

// list returns the addresses as the ledger lists them already, if it does.
func (s *search) list(addrs pair) []netip.Addr {
	if s.recorded && addrs == s.held {
		return s.listed
	}
	return addrs.list()
}

// foreign reports whether what the status says is another controller's word:
// no pool contains it, none is named for it, and the ledger does not know it.
func (s *search) foreign() bool {
	return !s.recorded && s.home == nil && s.svc.FromPool == ""
}

// differs reports whether status and annotation say anything else than a.
func (s *search) differs(a Assignment) bool {
	return s.svc.FromPool != a.Pool || !sameAddresses(s.svc.Addresses, a.Addresses) || s.statusProblem() != nil
}

// statusProblem returns what of the status could not be read, or nil.
func (s *search) statusProblem() *config.Problem { return problemIn(s.svc, partStatus) }

func (s *search) cleared(lost pair) Note {
	return Note{Normal, EventClearAssignment, "gives up " + lost.String() + ": " + s.grounds(lost)}
}

func (s *search) allocated(found choice, lost pair) Note {
	text := "assigned " + found.addrs.String() + " from " + quoted(found.pool)
	if lost != (pair{}) {
		text += " (was " + s.held.String() + ")"
	}
	return Note{Normal, EventIPAllocated, text}
}
