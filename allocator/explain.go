package allocator

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/clarion-lb/clarion/config"
)

// refusedByAll says for each pool why it gave nothing to a Service that asks
// for none in particular.
func (s *search) refusedByAll() []Refusal {
	if len(s.snap.Pools) == 0 {
		return []Refusal{{Reason: NoPools, Detail: "there is no IPAddressPool"}}
	}
	keeps := s.kept().pool // may be asked for a second address, autoAssign or not
	out := make([]Refusal, len(s.snap.Pools))
	for i, p := range s.snap.Pools {
		switch {
		case p.Suspended:
			out[i] = suspended(p)
		case !p.AutoAssign && (p != keeps || s.best(p).pool != nil):
			out[i] = Refusal{p.Name, AutoAssignOff, quoted(p) + " has autoAssign off"}
		case !s.admitted(p):
			out[i] = s.notAdmitted(p)
		default:
			out[i] = s.refusal(p, s.svc.Families...)
		}
	}
	return out
}

// refusal says what of the families a pool that admits the Service lacks: the
// first that it has no address of.
func (s *search) refusal(p *config.Pool, families ...config.Family) Refusal {
	if p.Suspended {
		return suspended(p)
	}
	lacking := families[0]
	for _, f := range families {
		if s.take(p, []config.Family{f}).pool == nil {
			lacking = f
			break
		}
	}
	if !p.Has(lacking) {
		return Refusal{p.Name, FamilyMissing, quoted(p) + " has no " + lacking.String() + " addresses"}
	}
	return s.full(p, lacking)
}

// full says that a pool has nothing left to give of a family. All it has is in
// use then; who uses it is not counted here, as a message that changes with
// every other Service would be said over and over.
func (s *search) full(p *config.Pool, f config.Family) Refusal {
	n := capacityOf(p)[slot(f)]
	if n == 0 {
		return Refusal{p.Name, AddressWithheld, "avoidBuggyIPs of " + quoted(p) + " withholds all its " + f.String() + " addresses"}
	}
	use := "in use"
	if s.ledger.intruded(p) {
		use = "in use or in quarantine"
	}
	return Refusal{p.Name, PoolFull, fmt.Sprintf("%s has no free %s address (%d of %d %s)", quoted(p), f, n, n, use)}
}

// quoted names a pool in a sentence.
func quoted(p *config.Pool) string { return "pool " + strconv.Quote(p.Name) }

func suspended(p *config.Pool) Refusal {
	return Refusal{p.Name, Suspended, quoted(p) + " is suspended because its object is invalid"}
}

// notAdmitted says what of the Service the pool's serviceAllocation is not for.
func (s *search) notAdmitted(p *config.Pool) Refusal {
	detail := quoted(p) + " does not admit the labels of the Service"
	if a := p.Allocation; !a.AnyNamespace && !slices.Contains(a.Namespaces, s.svc.Name.Namespace) {
		detail = quoted(p) + " does not admit namespace " + s.svc.Name.Namespace
	}
	return Refusal{p.Name, NotAdmitted, detail}
}

// complaint is what stands against a Service that could not be given what it
// asks for, and that keeps what was found instead.
func (s *search) complaint(found choice, refusals []Refusal) []Note {
	reason := refusals[0].Reason
	n := Note{Type: Warning, Reason: EventAllocationFailed}
	switch {
	case reason == NoClusterIP:
		return nil // the API server is not done with the Service
	case reason == NotEnoughClusterIPs:
		n.Reason = EventNotEnoughClusterIPs
	case reason == ClusterIPsUnreadable && s.held != pair{}:
		n.Reason = EventClusterIPFamily
	case reason == RequestUnreadable && found.pool != nil:
		n.Reason = EventLoadBalancerFailed
	}
	if found.pool != nil {
		n.Message = fmt.Sprintf("%s keeps %s: %s", s.svc.Name, found.addrs, clauses(refusals))
	} else {
		n.Message = fmt.Sprintf("no address for %s: %s", s.svc.Name, clauses(refusals))
	}
	return []Note{n}
}

// shortfall is what stands against a Service that has to do with one of the
// two addresses it prefers to have.
func (s *search) shortfall(refusals []Refusal) []Note {
	if len(refusals) == 0 || refusals[0].Reason == AddressConflict {
		return nil
	}
	return []Note{{
		Normal, EventAdditionalAssignFailed,
		fmt.Sprintf("no second address for %s: %s", s.svc.Name, clauses(refusals)),
	}}
}

// unreadableStatus is what stands against a status that holds more, or other,
// than one address per family.
func (s *search) unreadableStatus() []Note {
	if p := s.statusProblem(); p != nil {
		return []Note{{Warning, EventStatusFamily, problemText(p)}}
	}
	if len(s.svc.Addresses) > pairOf(s.svc.Addresses).len() {
		return []Note{{Warning, EventStatusFamily, fmt.Sprintf(
			"status.loadBalancer.ingress has more than one address of a family: %s", sentence(s.svc.Addresses))}}
	}
	return nil
}

// grounds says why addresses are given up.
func (s *search) grounds(lost pair) string {
	for _, a := range lost {
		if a.IsValid() {
			return s.groundsOf(a)
		}
	}
	return ""
}

func (s *search) groundsOf(a netip.Addr) string {
	p := s.poolAt(a)
	c, taken := s.ledger.conflictAt(a, s.svc)
	switch {
	case !s.serves(config.FamilyOf(a)):
		return "the Service has no " + config.FamilyOf(a).String() + " ClusterIP"
	case p == nil:
		return "no pool contains it"
	case taken:
		return c.String()
	case s.disputed(p, a) && len(s.svc.WantAddresses) == 0:
		return "it is " + s.usedBy(a)
	case !p.Suspended && !s.admitted(p):
		return s.notAdmitted(p).Detail
	case !p.Suspended && p.Withholds(a):
		return "avoidBuggyIPs of " + quoted(p) + " withholds it"
	case len(s.svc.WantAddresses) > 0:
		return "the Service asks for " + sentence(s.svc.WantAddresses)
	case !s.wantsPool(p):
		return fmt.Sprintf("the Service asks for pool %q", s.svc.WantPool)
	default:
		return "the addresses of a Service come from one pool"
	}
}
