package unnumbered

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	own  = netip.MustParseAddr("fe80::1")
	tor1 = netip.MustParseAddr("fe80::a")
	tor2 = netip.MustParseAddr("fe80::b")
	eth0 = Link{Name: "eth0", Index: 2, LinkLocal: own}
)

// at is an instant of a story, in seconds after its beginning.
func at(seconds float64) time.Time {
	return time.Unix(1000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

// halfway is a dice that always shows the same.
func halfway() float64 { return 0.5 }

func from(addr netip.Addr) Heard { return Heard{Kind: Advertisement, From: addr} }

func TestPortSpeaks(t *testing.T) {
	t.Parallel()
	p := newPort(eth0, halfway)
	p.opened(at(0))
	type said struct {
		At    float64
		Kinds []Kind
	}
	var got []said
	until := func(end float64) {
		for !at(end).Before(p.next) {
			now := p.next
			got = append(got, said{now.Sub(at(0)).Seconds(), p.due(now)})
		}
	}
	both, one := []Kind{Advertisement, Solicitation}, []Kind{Advertisement}
	until(10)
	p.receive(from(tor1), at(10)) // a router that may not know us yet
	until(12)
	p.receive(from(tor1), at(12)) // one that does
	p.receive(Heard{Kind: Solicitation, From: tor1}, at(12))
	p.receive(Heard{Kind: Solicitation}, at(12.1))
	until(13)
	p.receive(Heard{Kind: Solicitation, From: tor1}, at(13)) // too soon to answer
	until(20)
	p.receive(Heard{Kind: Solicitation, From: tor1}, at(22))
	until(24)
	p.receive(from(tor2), at(28)) // two of them: which one lives?
	until(40)
	// The first after 10 s waits until 3 s after the one before, and so does the
	// second; that at 22 s is answered after half of half a second.
	want := []said{{0, both}, {8.75, both}, {11.75, one}, {14.75, one}, {22.25, one}, {28.25, both}, {37, both}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
}

func TestPortElects(t *testing.T) {
	t.Parallel()
	type heard struct {
		at   float64
		from netip.Addr
	}
	for name, tt := range map[string]struct {
		heard  []heard
		at     float64
		want   netip.Addr
		others []netip.Addr
	}{
		"nobody":                     {at: 100},
		"ourselves":                  {heard: []heard{{0, own}}, at: 1},
		"one":                        {heard: []heard{{0, tor1}}, at: 1, want: tor1},
		"silent, but the only one":   {heard: []heard{{0, tor1}}, at: 10_000, want: tor1},
		"the first stays":            {heard: []heard{{0, tor2}, {1, tor1}}, at: 2, want: tor2, others: []netip.Addr{tor1}},
		"stays after 29 s":           {heard: []heard{{0, tor2}, {29, tor1}}, at: 29, want: tor2, others: []netip.Addr{tor1}},
		"is replaced after 30 s":     {heard: []heard{{0, tor2}, {29, tor1}}, at: 30, want: tor1},
		"is replaced by a new one":   {heard: []heard{{0, tor2}, {60, tor1}}, at: 60, want: tor1},
		"does not come back to lead": {heard: []heard{{0, tor1}, {60, tor2}, {61, tor1}}, at: 61, want: tor2, others: []netip.Addr{tor1}},
		"others are forgotten":       {heard: []heard{{0, tor1}, {1, tor2}, {40, tor1}, {41, netip.MustParseAddr("fe80::c")}}, at: 41, want: tor1, others: []netip.Addr{netip.MustParseAddr("fe80::c")}},
		"the lowest of those left": {
			heard: []heard{{0, netip.MustParseAddr("fe80::c")}, {20, tor2}, {21, tor1}},
			at:    30, want: tor1, others: []netip.Addr{tor2},
		},
	} {
		p := newPort(eth0, halfway)
		p.opened(at(0))
		for _, h := range tt.heard {
			p.receive(from(h.from), at(h.at))
		}
		p.next = at(tt.at)
		p.due(at(tt.at))
		var want LinkStatus
		want.Name = "eth0"
		if tt.want.IsValid() {
			want.Router, want.Heard = tt.want.WithZone("eth0"), p.heard[tt.want]
		}
		for _, o := range tt.others {
			want.Others = append(want.Others, o.WithZone("eth0"))
		}
		if diff := cmp.Diff(want, p.status(), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestPortBounded has somebody invent routers.
func TestPortBounded(t *testing.T) {
	t.Parallel()
	p := newPort(eth0, halfway)
	p.opened(at(0))
	p.receive(from(tor2), at(0))
	for i := range 10_000 {
		b := tor1.As16()
		b[8], b[9] = byte(i>>8), byte(i)
		p.receive(from(netip.AddrFrom16(b)), at(float64(i)/1000))
		if len(p.heard) > maxRouters {
			t.Fatalf("%d routers are remembered", len(p.heard))
		}
	}
	if p.router != tor2 {
		t.Errorf("the router is %s now", p.router)
	}
}
