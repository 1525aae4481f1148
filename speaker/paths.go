package speaker

import (
	"context"

	"github.com/clarion-lb/clarion/bgp/bfd"
)

// watchPaths tells the BGP engine of each path that BFD has seen fail. It is a
// loop of its own: what BFD has found out in a tenth of a second must not wait
// for a decision about ten thousand Services.
func (s *Speaker) watchPaths(ctx context.Context) error {
	seen := map[string]uint64{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.options.BFD.Changed():
		}
		var failed []string
		failed, seen = failures(s.options.BFD.Status(), seen)
		for _, peer := range failed {
			s.options.BGP.PathDown(peer)
		}
	}
}

// failures returns the sessions that have failed since their failures were as
// in before, and what they are now. It goes by counts, because a session may be
// up again when somebody looks. Several failures since then are one; a session
// that has fewer than before is another of the same name, and all of its
// failures are new.
func failures(status bfd.Status, before map[string]uint64) (failed []string, now map[string]uint64) {
	now = make(map[string]uint64, len(status.Sessions))
	for i := range status.Sessions {
		session := &status.Sessions[i]
		count, last := session.Failures, before[session.Name]
		if count > last || count > 0 && count < last {
			failed = append(failed, session.Name)
		}
		now[session.Name] = count
	}
	return failed, now
}
