package allocator

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/clarion-lb/clarion/config"
)

// refusedByAll says for each pool why it gave nothing to a Service that asks
// for none in particular.
func (s *search) refusedByAll() []Refusal {
	if len(s.snap.Pools) == 0 {
		return []Refusal{{Reason: NoPools, Detail: "there is no IPAddressPool"}}
	}
	out := make([]Refusal, len(s.snap.Pools))
	for i, p := range s.snap.Pools {
		switch {
		case p.Suspended:
			out[i] = suspended(p)
		case !p.AutoAssign && p != s.home:
			out[i] = Refusal{p.Name, AutoAssignOff, fmt.Sprintf("pool %q has autoAssign off", p.Name)}
		case !s.admitted(p):
			out[i] = s.notAdmitted(p)
		default:
			out[i] = s.refusal(p, s.svc.Families...)
		}
	}
	return out
}

// refusal says which of the families a pool that admits the Service lacks.
func (s *search) refusal(p *config.Pool, families ...config.Family) Refusal {
	if p.Suspended {
		return suspended(p)
	}
	for _, f := range families {
		if !p.Has(f) {
			return Refusal{p.Name, FamilyMissing, fmt.Sprintf("pool %q has no %s addresses", p.Name, f)}
		}
		if s.take(p, []config.Family{f}).pool == nil {
			u := s.ledger.Usage(p)
			if u.Capacity(f) == 0 {
				return Refusal{p.Name, AddressWithheld, fmt.Sprintf("avoidBuggyIPs of pool %q withholds all its %s addresses", p.Name, f)}
			}
			return Refusal{p.Name, PoolFull, fmt.Sprintf("pool %q has no free %s address (%d of %d in use)",
				p.Name, f, u.Assigned(f), u.Capacity(f))}
		}
	}
	return Refusal{}
}

func suspended(p *config.Pool) Refusal {
	return Refusal{p.Name, Suspended, fmt.Sprintf("pool %q is suspended because its object is invalid", p.Name)}
}

// notAdmitted says what of the Service the pool's serviceAllocation is not for.
func (s *search) notAdmitted(p *config.Pool) Refusal {
	detail := fmt.Sprintf("pool %q does not admit the labels of the Service", p.Name)
	if a := p.Allocation; !a.AnyNamespace && !slices.Contains(a.Namespaces, s.svc.Name.Namespace) {
		detail = fmt.Sprintf("pool %q does not admit namespace %s", p.Name, s.svc.Name.Namespace)
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
	if len(refusals) == 0 {
		return nil
	}
	return []Note{{Normal, EventAdditionalAssignFailed,
		fmt.Sprintf("no second address for %s: %s", s.svc.Name, clauses(refusals))}}
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
		return fmt.Sprintf("the Service has no %s ClusterIP", config.FamilyOf(a))
	case p == nil:
		return "no pool contains it"
	case taken:
		return c.String()
	case !p.Suspended && !s.admitted(p):
		return s.notAdmitted(p).Detail
	case !p.Suspended && p.Withholds(a):
		return fmt.Sprintf("avoidBuggyIPs of pool %q withholds it", p.Name)
	case len(s.svc.WantAddresses) > 0:
		return "the Service asks for " + sentence(s.svc.WantAddresses)
	case !s.wantsPool(p):
		return fmt.Sprintf("the Service asks for pool %q", s.svc.WantPool)
	default:
		return "the addresses of a Service come from one pool"
	}
}
