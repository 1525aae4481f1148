package layer2

import "slices"

// standing is how far an address in the table is this node's to answer for. One
// wire has one answerer: where two speakers think otherwise, these are the rules
// by which the segment itself settles it, in the goroutine that heard the frame.
type standing uint32

const (
	// answering is the rule: requests are answered, the address is announced.
	answering standing = iota
	// checking is the moment before that, on taking over from a speaker that ranks
	// before us: it is asked, and if it answers nobody took over anything.
	checking
	// conceded: a speaker that ranks before us answers. It is asked again and
	// again whether it still does.
	conceded
	// yielding is the time after: the address is another's now, which is answered
	// for until that one announces it, so that nobody finds silence. Whoever probes
	// finds nobody: the new owner may be checking.
	yielding
	// yielded: it has announced it.
	yielded
)

// answers reports whether a question is answered.
func (s standing) answers(q question) bool {
	switch s {
	case answering:
		return true
	case yielding:
		return !q.Asker.IP.IsUnspecified()
	default:
		return false
	}
}

// after returns the standing once somebody else has claimed the address. First
// says that it ranks before us.
func (s standing) after(first bool) standing {
	switch {
	case s == yielding:
		return yielded
	case first && (s == answering || s == checking):
		return conceded
	default:
		return s
	}
}

// standing returns how far o is ours.
func (o *owned) standing() standing {
	if o.record == nil {
		return answering
	}
	return standing(o.record.standing.Load())
}

// contested takes in that mac claims the address, and returns what that changes.
func (o *owned) contested(mac MAC) (was, now standing) {
	_, first := slices.BinarySearchFunc(o.before, mac, compareMAC)
	for {
		was = o.standing()
		now = was.after(first)
		if was == now || o.record.standing.CompareAndSwap(uint32(was), uint32(now)) {
			return was, now
		}
	}
}

func compareMAC(a, b MAC) int { return slices.Compare(a[:], b[:]) }
