package allocator

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Reason is the one word for why a Service was refused. The same word stands
// in log, condition, metric and command line.
type Reason string

// The reasons why the Service itself cannot be given anything.
const (
	// NoClusterIP: it has none, so no traffic could reach it.
	NoClusterIP Reason = "NoClusterIP"
	// NotEnoughClusterIPs: RequireDualStack with one ClusterIP.
	NotEnoughClusterIPs Reason = "NotEnoughClusterIPs"
	// ClusterIPsUnreadable: one of them is no IP address.
	ClusterIPsUnreadable Reason = "ClusterIPsUnreadable"
	// RequestUnreadable: the addresses it asks for are not, or contradict each
	// other.
	RequestUnreadable Reason = "RequestUnreadable"
)

// The reasons of a pool; they come once for each pool that was asked.
const (
	// NoPools: there is none to ask.
	NoPools Reason = "NoPools"
	// PoolNotFound: the pool asked for does not exist.
	PoolNotFound Reason = "PoolNotFound"
	// PoolFull: all its addresses of a family are in use.
	PoolFull Reason = "PoolFull"
	// FamilyMissing: it has no addresses of a family.
	FamilyMissing Reason = "FamilyMissing"
	// NotAdmitted: its serviceAllocation is not for the Service.
	NotAdmitted Reason = "NotAdmitted"
	// AutoAssignOff: it gives only to Services that ask for it.
	AutoAssignOff Reason = "AutoAssignOff"
	// Suspended: its object is invalid, and nothing new is taken from it.
	Suspended Reason = "Suspended"
)

// The reasons of requested addresses.
const (
	// FamilyMismatch: they are not one for each family of the ClusterIPs.
	FamilyMismatch Reason = "FamilyMismatch"
	// AddressOutsidePools: no pool contains it.
	AddressOutsidePools Reason = "AddressOutsidePools"
	// AddressesApart: two are in different pools.
	AddressesApart Reason = "AddressesApart"
	// PoolMismatch: they are not in the pool that is asked for as well.
	PoolMismatch Reason = "PoolMismatch"
	// AddressWithheld: avoidBuggyIPs keeps it back.
	AddressWithheld Reason = "AddressWithheld"
	// AddressTaken: another Service has it and may not share it.
	AddressTaken Reason = "AddressTaken"
	// AddressConflict: a host outside the cluster uses it. The Service has it
	// nevertheless.
	AddressConflict Reason = "AddressConflict"
)

// Refusal is one reason why a Service does not hold what it asks for.
type Refusal struct {
	// Pool is the pool that refused; empty where no one pool did.
	Pool   string
	Reason Reason
	// Detail completes "no address for default/web: ...".
	Detail string
}

// spelledOut is how many refusals a message tells in full. Beyond it pools are
// counted: a cluster of a hundred pools must not fill an Event.
const spelledOut = 4

// clauses says all refusals in one line.
func clauses(refusals []Refusal) string {
	n := len(refusals)
	if n > spelledOut {
		n = spelledOut - 1
	}
	var b strings.Builder
	for i, r := range refusals[:n] {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(r.Detail)
	}
	if rest := refusals[n:]; len(rest) > 0 {
		fmt.Fprintf(&b, "; and %d more pools: %s", len(rest), tally(rest))
	}
	return b.String()
}

// tally counts refusals by reason, the most frequent first.
func tally(refusals []Refusal) string {
	counts := make(map[Reason]int)
	for _, r := range refusals {
		counts[r.Reason]++
	}
	reasons := slices.SortedFunc(maps.Keys(counts), func(a, b Reason) int {
		return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b))
	})
	parts := make([]string, len(reasons))
	for i, r := range reasons {
		parts[i] = fmt.Sprintf("%d %s", counts[r], r)
	}
	return strings.Join(parts, ", ")
}
