package speaker_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

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

// TestNothingIsSaidBeforeTheProof: that a new address is announced is said when
// the segment has been asked whether it is free, and not before.
func TestNothingIsSaidBeforeTheProof(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr("192.0.2.1")
	stranger := &layer2.Conflict{MAC: layer2.MAC{2, 0, 0, 0, 0, 9}, Interface: "eth0"}
	for name, tc := range map[string]struct {
		then        func(r *rig)
		report, log []string
	}{
		"free": {
			func(r *rig) { r.SetLayer2Status(layer2.Status{Addresses: []layer2.AddressStatus{{Addr: addr}}}) },
			[]string{"192.0.2.1 announced"},
			[]string{"INFO announcing shop/web 192.0.2.1: announced"},
		},
		"occupied": {
			func(r *rig) {
				r.SetLayer2Status(layer2.Status{Addresses: []layer2.AddressStatus{{Addr: addr, Occupied: true, Conflict: stranger}}})
			},
			[]string{"192.0.2.1 addressConflict"},
			[]string{"WARN cannot announce shop/web 192.0.2.1: addressConflict, host 02:00:00:00:00:09 on eth0 had it first"},
		},
		"gone meanwhile": { // of which BGP had spoken
			func(r *rig) { r.DeleteService(web().Name) }, []string{"192.0.2.1 gone: noMatchingAdvertisement"}, nil,
		},
		"another's by then": {func(r *rig) { r.SetMembers(members("node-b")) }, []string{"192.0.2.1 notMember"}, nil},
		"the engine's word was missed": {
			func(*rig) { time.Sleep(time.Minute) },
			[]string{"192.0.2.1 announced"},
			[]string{"INFO announcing shop/web 192.0.2.1: announced"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := ready(t)
				defer r.stop()
				r.SetMembers(members("node-a"))
				r.engine.take()
				r.reports()
				r.engine.proved = nil
				r.SetService(web("192.0.2.1"))
				expect(t, "orders", r.engine.take(), "192.0.2.1 on eth0")
				r.SetLayer2Status(layer2.Status{Addresses: []layer2.AddressStatus{{Addr: addr, Proving: true}}})
				expect(t, "reports", r.reports())
				expect(t, "log", r.said(t))
				tc.then(r)
				expect(t, "reports", r.reports(), tc.report...)
				expect(t, "log", r.said(t), tc.log...)
			})
		})
	}
}
