package bfd

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// TestDiscards: what is not for a session does nothing, and is counted.
func TestDiscards(t *testing.T) {
	t.Parallel()
	down := router(Down, 0)
	for name, tc := range map[string]struct {
		of     Session
		change func(p *Packet)
		want   Discards
	}{
		"good":                   {spine, func(*Packet) {}, Discards{}},
		"good, far":              {far, func(p *Packet) { p.TTL = 254 }, Discards{}},
		"forwarded":              {spine, func(p *Packet) { p.TTL = 254 }, Discards{TooFar: 1}},
		"too far":                {far, func(p *Packet) { p.TTL = 253 }, Discards{TooFar: 1}},
		"malformed":              {spine, func(p *Packet) { p.Payload = p.Payload[1:] }, Discards{Malformed: 1}},
		"from a stranger":        {spine, func(p *Packet) { p.Source = netip.MustParseAddr("192.0.2.66") }, Discards{NoSession: 1}},
		"to another address":     {far, func(p *Packet) { p.Destination = router6 }, Discards{NoSession: 1}},
		"of a session long gone": {spine, func(p *Packet) { p.Payload[11] = 77 }, Discards{NoSession: 1}},
		"authenticated": {spine, func(p *Packet) {
			p.Payload[1] |= bitAuthentication
			p.Payload[3] = 26
			p.Payload = append(p.Payload, 1, 2)
		}, Discards{Authenticated: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTime(t, func(tr *trial) {
				tr.sessions(2, far, spine)
				p := packetOf(tc.of, down)
				tc.change(&p)
				tr.memory.put(portOf(tc.of), p, true)
				if diff := cmp.Diff(tc.want, func() Discards { synctest.Wait(); return tr.Status().Discards }()); diff != "" {
					tr.Error(diff)
				}
				state, in := Init, uint64(1)
				if tc.want != (Discards{}) {
					state, in = Down, 0
				}
				if got := tr.status(tc.of.Name); got.State != state || got.ControlIn != in {
					tr.Errorf("%v after %d packets", got.State, got.ControlIn)
				}
			})
		})
	}
}

// TestDiscardsSayWhy: a session that stays down because its peer's packets are
// discarded says so, until they are not.
func TestDiscardsSayWhy(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.sessions(1, far)
		p := packetOf(far, router(Down, 0))
		for range 3 {
			p.TTL--
			tr.memory.put(portOf(far), p, true)
			synctest.Wait()
		}
		p.TTL = 252
		tr.memory.put(portOf(far), p, true)
		const want = "bfd: packets from 2001:db8::1 are discarded: their TTL is 253 and has to be at least 254"
		if got := tr.status("far").Error; got != want {
			tr.Error(got)
		}
		tr.wantLog("level=WARN msg=\"bfd session cannot work\" error=\"" + want + "\"\n")
		near := packetOf(spine, router(Down, 0))
		near.TTL = 254
		tr.sessions(1, far, spine)
		tr.memory.put(portOf(spine), near, true)
		const forwarded = "bfd: packets from 192.0.2.1 are discarded: their TTL is 254 and has to be at least 255"
		if got := tr.status("spine").Error; got != forwarded {
			tr.Error(got)
		}
		s := far
		s.Profile.MinimumTTL = 250
		tr.sessions(0, s)
		tr.memory.put(portOf(far), p, true)
		if got := tr.status("far"); got.Error != "" || got.State != Init {
			tr.Errorf("%v, %q", got.State, got.Error)
		}
	})
}

// TestDemultiplex: first packets by where they come from, others by
// discriminator alone (RFC 5880, 6.3).
func TestDemultiplex(t *testing.T) {
	t.Parallel()
	other := netip.MustParseAddr("192.0.2.3")
	every, local, red := spine, spine, spine
	every.Name, local.Name, red.Name = "every", "local", "red"
	local.Local, red.Device = other, "red"
	multi := Session{Name: "multi", Peer: router4, MultiHop: true}

	for name, tc := range map[string]struct {
		port Port
		to   netip.Addr
		c    control
		want string
	}{
		"to whatever address":          {Port{}, node4, router(Down, 0), "every"},
		"to the session's address":     {Port{}, other, router(Down, 0), "local"},
		"in the VRF":                   {Port{Device: "red"}, node4, router(Down, 0), "red"},
		"in the VRF, same address":     {Port{Device: "red"}, other, router(Down, 0), "red"},
		"over several hops":            {Port{MultiHop: true}, node4, router(Down, 0), "multi"},
		"discriminator before address": {Port{}, other, router(Down, 1), "every"},
		"but not across ports":         {Port{}, other, router(Down, 3), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTime(t, func(tr *trial) {
				tr.sessions(4, every, local, multi, red)
				p := packetOf(spine, tc.c)
				p.Destination = tc.to
				tr.memory.put(tc.port, p, true)
				synctest.Wait()
				got := ""
				for _, s := range tr.Status().Sessions {
					if s.State != Down {
						got += s.Name
					}
				}
				if got != tc.want {
					tr.Errorf("it went to %q", got)
				}
			})
		})
	}
}

// TestLinkLocal: the peer's zone is the interface its packets have to come from.
func TestLinkLocal(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		tr.memory.scope = 7
		s := Session{Name: "leaf", Peer: linkLocalRouter}
		tr.sessions(1, s)
		for _, tc := range []struct {
			index int
			want  State
		}{{8, Down}, {7, Init}} {
			p := packetOf(s, router(Down, 0))
			p.Interface = tc.index
			tr.memory.put(portOf(s), p, true)
			if got := tr.status("leaf").State; got != tc.want {
				tr.Errorf("%v on interface %d", got, tc.index)
			}
		}
	})
}
