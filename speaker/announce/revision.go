package announce

import "slices"

// Revision is what a call of [Plan.Revise] changed; all of it sorted.
type Revision struct {
	// Changed are new or different verdicts.
	Changed []Change
	// Gone are the last verdicts on Services and addresses that are no more.
	Gone []Verdict
}

// Change is a verdict that says something new.
type Change struct {
	Verdict
	// Before is the reason of the verdict it replaces; empty for a first one.
	Before Reason
}

// add enters what became of the verdicts on one address, or on one Service
// without address.
func (r *Revision) add(before, after []Verdict) {
	for i := range after {
		v, was := &after[i], Reason("")
		if at := indexOf(before, v.Key); at >= 0 {
			if before[at].equal(v) {
				continue
			}
			was = before[at].Reason
		}
		r.Changed = append(r.Changed, Change{Verdict: *v, Before: was})
	}
	for i := range before {
		if indexOf(after, before[i].Key) < 0 {
			r.Gone = append(r.Gone, before[i])
		}
	}
}

func indexOf(verdicts []Verdict, k Key) int {
	for i := range verdicts {
		if verdicts[i].Key == k {
			return i
		}
	}
	return -1
}

// Sort puts a revision that was added to in order.
func (r *Revision) Sort() {
	slices.SortFunc(r.Changed, func(a, b Change) int { return compareVerdicts(a.Verdict, b.Verdict) })
	slices.SortFunc(r.Gone, compareVerdicts)
}
