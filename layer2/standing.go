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
	// proving is the same for an address that nobody has used before: whoever
	// answers, it is not free (RFC 5227, 2.1).
	proving
	// occupied: a stranger answered. It is asked now and then.
	occupied
	// conceded: a speaker that ranks before us answers. It is asked again and
	// again whether it still does.
	conceded
	// yielding is the time after: the address is another's now, which is answered
	// for until that one announces it, so that nobody finds silence. Whoever probes
	// finds nobody: the new owner may be checking.
	yielding
	// yielded: it has announced it.
	yielded
	// watching: nobody's address, about which the segment is asked now and then.
	watching
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

// keeps reports whether an address that is still, or again, to be announced stays
// as it is.
func (s standing) keeps() bool { return s != yielding && s != yielded && s != watching }

// firstStanding returns how far an address is ours when it becomes so.
func firstStanding(a *Announcement) standing {
	switch {
	case a.New:
		return proving
	case len(a.Before) > 0:
		return checking
	default:
		return answering
	}
}

// claimant is who claims an address besides us.
type claimant uint8

const (
	byStranger claimant = iota // not of this cluster
	byFollower                 // a speaker that ranks after us
	byLeader                   // a speaker that ranks before us
)

// after returns the standing once somebody else has claimed the address.
func (s standing) after(c claimant) standing {
	switch {
	case s == yielding:
		return yielded
	case c == byLeader && (s == answering || s == checking || s == proving):
		return conceded
	case c == byStranger && s == proving:
		return occupied
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

// contested takes in that somebody claims the address, and returns what that
// changes.
func (o *owned) contested(c claimant) (was, now standing) {
	for {
		was = o.standing()
		now = was.after(c)
		if was == now || o.record.standing.CompareAndSwap(uint32(was), uint32(now)) {
			return was, now
		}
	}
}

// claimant returns who the station with that address is to o. Speakers are all
// others of the cluster.
func (o *owned) claimant(mac MAC, speakers []MAC) claimant {
	if _, first := slices.BinarySearchFunc(o.before, mac, compareMAC); first {
		return byLeader
	}
	if _, speaker := slices.BinarySearchFunc(speakers, mac, compareMAC); speaker {
		return byFollower
	}
	return byStranger
}

func compareMAC(a, b MAC) int { return slices.Compare(a[:], b[:]) }
