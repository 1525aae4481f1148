package layer2

import (
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// newResponder returns one for eth0 with our MAC that owns addrs there.
func newResponder(p Protocol, addrs ...netip.Addr) *responder {
	t := make(table)
	for _, addr := range addrs {
		t[addr] = &owned{interfaces: []string{"eth0"}, record: new(record)}
	}
	var at atomic.Pointer[table]
	at.Store(&t)
	var known atomic.Pointer[stations]
	known.Store(&stations{own: []MAC{ours}})
	return &responder{
		link: Interface{Name: "eth0", MAC: ours}, protocol: p, table: &at, stations: &known,
		fit: func() bool { return true }, contests: make(chan contest, 8),
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	eth0 := Interface{Name: "eth0", Index: 2, MAC: ours}
	own := table{
		owned4:                            {interfaces: []string{"eth0", "eth1"}},
		owned6:                            {interfaces: []string{"eth0"}},
		netip.MustParseAddr("192.0.2.90"): {interfaces: []string{"eth1"}},
		netip.MustParseAddr("192.0.2.91"): {},
	}
	asker := station{IP: clientIP, MAC: client}
	nobody4 := station{IP: netip.IPv4Unspecified(), MAC: client}
	nobody6 := station{IP: netip.IPv6Unspecified(), MAC: client}
	for name, tc := range map[string]struct {
		question question
		to       station // the answer's; zero on silence
		why      silence
	}{
		"owned":                    {question{owned4, asker}, asker, ""},
		"owned, IPv6":              {question{owned6, station{client6, client}}, station{client6, client}, ""},
		"asker of another subnet":  {question{owned4, station{netip.MustParseAddr("198.51.100.1"), client}}, station{netip.MustParseAddr("198.51.100.1"), client}, ""},
		"ARP probe":                {question{owned4, nobody4}, nobody4, ""},
		"duplicate address probe":  {question{owned6, nobody6}, allNodes(), ""},
		"foreign":                  {question{foreign4, asker}, station{}, notOwned},
		"no address":               {question{netip.Addr{}, asker}, station{}, notOwned},
		"owned, as IPv4-mapped":    {question{netip.AddrFrom16(owned4.As16()), asker}, station{}, notOwned},
		"on another link":          {question{netip.MustParseAddr("192.0.2.90"), asker}, station{}, otherLink},
		"on no link":               {question{netip.MustParseAddr("192.0.2.91"), asker}, station{}, otherLink},
		"our own announcement":     {question{owned4, station{owned4, ours}}, station{}, reflection},
		"our own probe":            {question{owned4, station{netip.IPv4Unspecified(), ours}}, station{}, reflection},
		"another's announcement":   {question{owned4, station{owned4, stranger}}, station{}, announcement},
		"solicited by the address": {question{owned6, station{owned6, stranger}}, station{}, announcement},
		"asker without MAC":        {question{owned4, station{clientIP, MAC{}}}, station{}, badAsker},
		"asker with a group's MAC": {question{owned4, station{clientIP, broadcast()}}, station{}, badAsker},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, why := answer(own, &eth0, tc.question)
			want := claim{Addr: tc.question.Addr, MAC: ours, To: tc.to}
			if tc.why != "" {
				want = claim{}
			}
			if why != tc.why {
				t.Errorf("silence %q, want %q", why, tc.why)
			}
			if diff := cmp.Diff(want, got, sameAddr, cmpopts.IgnoreUnexported(claim{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRespond goes from frame to frame.
func TestRespond(t *testing.T) {
	t.Parallel()
	probe6 := with(func(p *ndpPacket) { p.Src, p.LinkAddr = netip.IPv6Unspecified(), MAC{} }).append(nil)
	unicast6 := with(func(p *ndpPacket) { p.DstMAC, p.Dst, p.LinkAddr = ours, owned6, MAC{} }).append(nil)
	for name, tc := range map[string]struct {
		protocol Protocol
		in, want []byte
		why      silence
	}{
		"ARP": {protocol: ARP, in: frame(t, arpRequestHex), want: frame(t, `
			0200000000c1 020000000001 0806
			0001 0800 06 04 0002
			020000000001 c0000250
			0200000000c1 c0000209`)},
		"NDP":                    {protocol: NDP, in: solicitation().append(nil), want: ndpAnswer(claim{Addr: owned6, MAC: ours, To: station{client6, client}}).append(nil)},
		"NDP unicast, no source": {protocol: NDP, in: unicast6, want: ndpAnswer(claim{Addr: owned6, MAC: ours, To: station{client6, client}}).append(nil)},
		"NDP duplicate probe":    {protocol: NDP, in: probe6, want: ndpGratuitous(owned6, ours).append(nil)},
		"ARP reply":              {protocol: ARP, in: arpGratuitous(owned4, stranger)[1].append(nil), why: notQuestion},
		"NDP advertisement":      {protocol: NDP, in: ndpGratuitous(owned6, stranger).append(nil), why: notQuestion},
		"ARP on an NDP port":     {protocol: NDP, in: frame(t, arpRequestHex), why: malformed},
		"NDP on an ARP port":     {protocol: ARP, in: solicitation().append(nil), why: malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newResponder(tc.protocol, owned4, owned6)
			got, count, why := r.respond(tc.in)
			if why != tc.why {
				t.Errorf("silence %q, want %q", why, tc.why)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if counted := count != nil && count.requests.Load() == 1; counted != (why == "") {
				t.Errorf("counted = %v", counted)
			}
		})
	}
}

// TestAnswerAllocates nothing.
func TestAnswerAllocates(t *testing.T) { //nolint:paralleltest // testing.AllocsPerRun forbids it
	for _, tc := range []struct {
		protocol Protocol
		frame    []byte
	}{
		{ARP, frame(t, arpRequestHex)},
		{NDP, solicitation().append(nil)},
	} {
		r := newResponder(tc.protocol, owned4, owned6)
		if n := testing.AllocsPerRun(100, func() { r.respond(tc.frame) }); n != 0 {
			t.Errorf("%v: %v allocations per answer", tc.protocol, n)
		}
	}
}
