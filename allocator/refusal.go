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

// The reasons. Those of a pool come once for each pool that was asked.
const (
	// Of the Service.
	NoClusterIP          Reason = "NoClusterIP"
	NotEnoughClusterIPs  Reason = "NotEnoughClusterIPs"
	ClusterIPsUnreadable Reason = "ClusterIPsUnreadable"
	RequestUnreadable    Reason = "RequestUnreadable"

	// Of a pool.
	NoPools       Reason = "NoPools"
	PoolNotFound  Reason = "PoolNotFound"
	PoolFull      Reason = "PoolFull"
	FamilyMissing Reason = "FamilyMissing"
	NotAdmitted   Reason = "NotAdmitted"
	AutoAssignOff Reason = "AutoAssignOff"
	Suspended     Reason = "Suspended"

	// Of a requested address.
	FamilyMismatch      Reason = "FamilyMismatch"
	AddressOutsidePools Reason = "AddressOutsidePools"
	AddressesApart      Reason = "AddressesApart"
	PoolMismatch        Reason = "PoolMismatch"
	AddressWithheld     Reason = "AddressWithheld"
	AddressTaken        Reason = "AddressTaken"
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
