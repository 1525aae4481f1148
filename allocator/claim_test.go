package allocator

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/config"
)

// holder is an entry on terms: a sharing key, none if empty, and ports.
func holder(name, key string, ports ...uint16) Holder {
	h := Holder{Service: nameOf(name), Version: "1", Key: key}
	for _, p := range ports {
		h.Ports = append(h.Ports, config.Port{Protocol: "TCP", Number: p})
	}
	return h
}

func claimed(addr string, holders ...Holder) Claim {
	return Claim{Address: netip.MustParseAddr(addr), Holders: holders, Version: "7"}
}

// released is a claim whose last holder left at that minute.
func released(addr string, minute int, last Holder) Claim {
	c := claimed(addr, last)
	c.Released = time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC)
	return c
}

func TestClaimWith(t *testing.T) {
	t.Parallel()

	local := holder("default/web", "k", 80)
	local.Backend = "app=web"
	foreign := claimed("192.0.2.1")
	foreign.Foreign = "IPAddress 192.0.2.1"
	for _, tt := range []struct {
		name  string
		claim Claim
		add   Holder
		want  []Holder // nil: refused
	}{
		{"nobody's", Claim{}, holder("default/web", ""), []Holder{holder("default/web", "")}},
		{"one's own, on other terms", claimed("192.0.2.1", holder("default/web", "")), local, []Holder{local}},
		{"another's", claimed("192.0.2.1", holder("default/a", "")), holder("default/web", ""), nil},
		{"another's, key on one side", claimed("192.0.2.1", holder("default/a", "")), holder("default/web", "k", 80), nil},
		{"other key", claimed("192.0.2.1", holder("default/a", "other", 81)), holder("default/web", "k", 80), nil},
		{"other backend", claimed("192.0.2.1", holder("default/a", "k", 81)), local, nil},
		{"same port", claimed("192.0.2.1", holder("default/a", "k", 80)), holder("default/web", "k", 80), nil},
		{
			"shared, sorted by name", claimed("192.0.2.1", holder("default/zoo", "k", 81)), holder("default/web", "k", 80),
			[]Holder{holder("default/web", "k", 80), holder("default/zoo", "k", 81)},
		},
		{"kept for another", released("192.0.2.1", 0, holder("default/a", "")), holder("default/web", ""), []Holder{holder("default/web", "")}},
		{"foreign", foreign, holder("default/web", ""), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			got, err := tt.claim.With(tt.add)
			if tt.want == nil {
				if err == nil {
					t.Errorf("got %+v, want a refusal", got)
				}
				return
			}
			want := Claim{Address: tt.claim.Address, Version: tt.claim.Version, Holders: tt.want}
			if diff := cmp.Diff(want, got, sameAddr); diff != "" || err != nil {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestClaimWithout(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	asked := holder("default/web", "")
	asked.Requested = true
	kept := claimed("192.0.2.1", holder("default/web", ""))
	kept.Released = now
	for _, tt := range []struct {
		name  string
		claim Claim
		keep  time.Duration
		want  Claim
	}{
		{"the last one leaves", claimed("192.0.2.1", holder("default/web", "")), 0, claimed("192.0.2.1")},
		{"kept for the last", claimed("192.0.2.1", holder("default/web", "")), time.Minute, kept},
		{"what was asked for is not kept", claimed("192.0.2.1", asked), time.Minute, claimed("192.0.2.1")},
		{
			"others stay", claimed("192.0.2.1", holder("default/a", "k", 1), holder("default/web", "k", 2)), time.Minute,
			claimed("192.0.2.1", holder("default/a", "k", 1)),
		},
		{"not listed", claimed("192.0.2.1", holder("default/a", "")), time.Minute, claimed("192.0.2.1", holder("default/a", ""))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			got := tt.claim.Without(nameOf("default/web"), now, tt.keep)
			if len(got.Holders) == 0 {
				got.Holders = nil
			}
			if diff := cmp.Diff(tt.want, got, sameAddr); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestLearnedClaims defends P1 and P2: who is given what, when there are claims
// of others.
func TestLearnedClaims(t *testing.T) {
	t.Parallel()

	a, web := holder("default/a", ""), holder("default/web", "")
	foreign := claimed("192.0.2.1")
	foreign.Foreign = "IPAddress 192.0.2.1"
	for _, tt := range []struct {
		name   string
		claims []Claim
		svc    config.Service
		want   string // address; empty for none
	}{
		{"another's is passed over", []Claim{claimed("192.0.2.1", a)}, service("web"), "192.0.2.2"},
		{"a foreign one is passed over", []Claim{foreign}, service("web"), "192.0.2.2"},
		{"another's is refused", []Claim{claimed("192.0.2.1", a)}, service("web", wantAddresses("192.0.2.1")), ""},
		{"what was claimed before a crash", []Claim{claimed("192.0.2.3", web)}, service("web"), "192.0.2.3"},
		{"what was held before", []Claim{released("192.0.2.3", 0, web)}, service("web"), "192.0.2.3"},
		{"what is kept for another is not taken without need", []Claim{released("192.0.2.1", 0, a)}, service("web"), "192.0.2.2"},
		{"what is kept for another is granted", []Claim{released("192.0.2.1", 0, a)}, service("web", wantAddresses("192.0.2.1")), "192.0.2.1"},
		{
			"the longest kept is given up first",
			[]Claim{released("192.0.2.1", 2, a), released("192.0.2.2", 1, a), released("192.0.2.3", 3, a)},
			service("web"), "192.0.2.2",
		},
		{
			"a claim is not given up",
			[]Claim{claimed("192.0.2.1", a), claimed("192.0.2.2", a), released("192.0.2.3", 3, a)},
			service("web"), "192.0.2.3",
		},
		{
			"a claim does not make two share",
			[]Claim{claimed("192.0.2.1", holder("default/a", "k", 81))},
			service("web", sharing("k")), "192.0.2.2",
		},
		{"a claim outside the pools", []Claim{claimed("198.51.100.1", web)}, service("web"), "192.0.2.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			l := NewLedger()
			for _, c := range tt.claims {
				l.Learn(c)
			}
			svc := tt.svc
			settle(t, compile(pool("p", "192.0.2.1-192.0.2.3")), l, &svc)
			if got := sentence(svc.Addresses); got != tt.want {
				t.Errorf("web holds %q, want %q", got, tt.want)
			}
			if diff := audit(l); diff != "" {
				t.Errorf("indexes (-from the records +got):\n%s", diff)
			}
		})
	}
}

// TestClaimSettles holds that who waits is asked again when the claim that was
// in the way goes.
func TestClaimSettles(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("p", "192.0.2.1/32")), NewLedger()
	l.Learn(claimed("192.0.2.1", holder("default/a", "")))
	svc := service("web")
	settle(t, snap, l, &svc)
	before := l.Openings()
	l.Unlearn(netip.MustParseAddr("192.0.2.1"))
	if l.Openings() == before {
		t.Error("a claim that goes is no opening")
	}
	settle(t, snap, l, &svc)
	if got := sentence(svc.Addresses); got != "192.0.2.1" {
		t.Errorf("web holds %q, want 192.0.2.1", got)
	}
}

// TestOutrun defends P2: what another controller has given stays, and what a
// mere edit put into the status does not.
func TestOutrun(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		name   string
		claims []Claim
		want   string
	}{
		{"given by another controller", []Claim{claimed("192.0.2.3", holder("default/web", ""))}, "192.0.2.3"},
		{"edited", nil, "192.0.2.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			snap, l := compile(pool("p", "192.0.2.1-192.0.2.3")), NewLedger()
			svc := service("web")
			settle(t, snap, l, &svc)
			for _, c := range tt.claims {
				l.Learn(c)
			}
			svc.Addresses = []netip.Addr{netip.MustParseAddr("192.0.2.3")}
			settle(t, snap, l, &svc)
			if got := sentence(svc.Addresses); got != tt.want {
				t.Errorf("web holds %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLow(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		assigned, capacity int64
		want               bool
	}{
		{84, 100, false},
		{85, 100, true},
		{0, 0, false},
		{7, 8, true},
		{6, 8, false},
		{12, 8, true},
	} {
		u := Usage{AssignedIPv6: tt.assigned, CapacityIPv6: tt.capacity}
		if got := u.Low(config.IPv6, 85); got != tt.want {
			t.Errorf("%d of %d: low is %t, want %t", tt.assigned, tt.capacity, got, tt.want)
		}
	}
}
