package speaker_test

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// reports returns what was reported since the last time, as short sentences.
func (r *rig) reports() []string {
	synctest.Wait()
	var out []string
	for _, rev := range r.revisions {
		for _, v := range rev.Gone {
			out = append(out, v.Addr.String()+" gone: "+string(v.Reason))
		}
		for _, c := range rev.Changed {
			if c.Protocol != announce.Layer2 {
				continue
			}
			text := c.Addr.String() + " " + string(c.Reason)
			if c.Before != "" {
				text += ", was " + string(c.Before)
			}
			if c.Announced() != (len(c.Interfaces) > 0) {
				text += " and lists interfaces"
			}
			out = append(out, text)
		}
	}
	r.revisions = nil
	return out
}

// TestWhatIsReportedHappens: an address that the engine does not answer for is
// not reported as announced, and what is decided stays as it is.
func TestWhatIsReportedHappens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := ready(t)
		defer r.stop()
		r.SetMembers(members("node-a"))
		r.SetService(web("192.0.2.1"))
		expect(t, "reports", r.reports(), "192.0.2.1 announced")
		expect(t, "log", r.said(t), "INFO announcing shop/web 192.0.2.1: announced")

		addr := netip.MustParseAddr("192.0.2.1")
		says := func(s layer2.AddressStatus) {
			s.Addr = addr
			r.engine.take()
			r.SetLayer2Status(layer2.Status{Addresses: []layer2.AddressStatus{s}})
			for _, order := range r.engine.take() {
				expect(t, "order", []string{order}, "192.0.2.1 on eth0")
			}
		}
		says(layer2.AddressStatus{Conceded: true})
		expect(t, "reports", r.reports(), "192.0.2.1 conceded, was announced")
		expect(t, "log", r.said(t), "INFO withdrawn shop/web 192.0.2.1: conceded, a speaker that ranks before this node still answers")
		says(layer2.AddressStatus{Conceded: true, Requests: 7})
		expect(t, "reports", r.reports())
		says(layer2.AddressStatus{Occupied: true, Conflict: &layer2.Conflict{MAC: layer2.MAC{2, 0, 0, 0, 0, 9}, Interface: "eth0"}})
		expect(t, "reports", r.reports(), "192.0.2.1 addressConflict, was conceded")
		expect(t, "log", r.said(t), "WARN cannot announce shop/web 192.0.2.1: addressConflict, host 02:00:00:00:00:09 on eth0 had it first")
		says(layer2.AddressStatus{})
		expect(t, "reports", r.reports(), "192.0.2.1 announced, was addressConflict")
		says(layer2.AddressStatus{Conceded: true})
		r.reports()
		r.SetMembers(members("node-b"))
		expect(t, "reports", r.reports(), "192.0.2.1 notMember, was conceded")
	})
}
