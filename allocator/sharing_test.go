package allocator

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/config"
)

// TestWhoMayShare defends P1: one row for each rule about sharing an address.
// Both Services ask for the same address, so that they share it or one waits.
func TestWhoMayShare(t *testing.T) {
	t.Parallel()

	tests := []struct {
		rule string
		a, b []option
		want string // empty if b shares
	}{
		{
			rule: "equal keys, no port in common",
			a:    []option{sharing("k"), ports(tcp80)},
			b:    []option{sharing("k"), ports(tcp443)},
		},
		{
			rule: "keys differ",
			a:    []option{sharing("k"), ports(tcp80)},
			b:    []option{sharing("q"), ports(tcp443)},
			want: "192.0.2.1 is held by default/a: they have no sharing key in common",
		},
		{
			rule: "no key on either",
			a:    []option{ports(tcp80)},
			b:    []option{ports(tcp443)},
			want: "192.0.2.1 is held by default/a: they have no sharing key in common",
		},
		{
			rule: "key on the holder alone",
			a:    []option{sharing("k"), ports(tcp80)},
			b:    []option{ports(tcp443)},
			want: "192.0.2.1 is held by default/a: they have no sharing key in common",
		},
		{
			rule: "key on the newcomer alone",
			a:    []option{ports(tcp80)},
			b:    []option{sharing("k"), ports(tcp443)},
			want: "192.0.2.1 is held by default/a: they have no sharing key in common",
		},
		{
			rule: "an empty key is none",
			a:    []option{sharing(""), ports(tcp80)},
			b:    []option{sharing(""), ports(tcp443)},
			want: "192.0.2.1 is held by default/a: they have no sharing key in common",
		},
		{
			rule: "Cluster and Cluster, whatever the selectors",
			a:    []option{sharing("k"), ports(tcp80), func(s *config.Service) { s.Selector = "app=a" }},
			b:    []option{sharing("k"), ports(tcp443), func(s *config.Service) { s.Selector = "app=b" }},
		},
		{
			rule: "Local and Local, same selector",
			a:    []option{sharing("k"), ports(tcp80), local("app=a")},
			b:    []option{sharing("k"), ports(tcp443), local("app=a")},
		},
		{
			rule: "Local and Local, selectors differ",
			a:    []option{sharing("k"), ports(tcp80), local("app=a")},
			b:    []option{sharing("k"), ports(tcp443), local("app=b")},
			want: "192.0.2.1 is held by default/a: their traffic policies or selectors differ",
		},
		{
			rule: "Cluster and Local",
			a:    []option{sharing("k"), ports(tcp80)},
			b:    []option{sharing("k"), ports(tcp443), local("app=a")},
			want: "192.0.2.1 is held by default/a: their traffic policies or selectors differ",
		},
		{
			rule: "Cluster and Local without selector",
			a:    []option{sharing("k"), ports(tcp80)},
			b:    []option{sharing("k"), ports(tcp443), local("")},
		},
		{
			rule: "one port in common",
			a:    []option{sharing("k"), ports(tcp443, tcp80)},
			b:    []option{sharing("k"), ports(tcp80)},
			want: "192.0.2.1 is held by default/a: both want port 80/TCP",
		},
		{
			rule: "the same number with another protocol",
			a:    []option{sharing("k"), ports(tcp80)},
			b:    []option{sharing("k"), ports(udp80)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()

			snap, l := compile(pool("p", "192.0.2.1-192.0.2.9")), NewLedger()
			a := service("a", append(tt.a, wantAddresses("192.0.2.1"))...)
			settle(t, snap, l, &a)
			b := service("b", append(tt.b, wantAddresses("192.0.2.1"))...)

			want := brief{Action: Allocate, Addresses: "192.0.2.1", Pool: "p", Notes: []string{
				`IPAllocated: assigned 192.0.2.1 from pool "p"`,
			}}
			if tt.want != "" {
				want = brief{Action: Refuse, Unchanged: true, Reasons: []Reason{AddressTaken}, Notes: []string{
					"AllocationFailed: no address for default/b: " + tt.want,
				}}
			}
			if diff := cmp.Diff(want, briefly(settle(t, snap, l, &b))); diff != "" {
				t.Errorf("second Service (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNamespacesDoNotMatterToSharing defends P1.
func TestNamespacesDoNotMatterToSharing(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("p", "192.0.2.1-192.0.2.9")), NewLedger()
	a := service("default/a", sharing("k"), ports(tcp80))
	b := service("blue/b", sharing("k"), ports(tcp443))
	settle(t, snap, l, &a)
	settle(t, snap, l, &b)

	want := []string{"blue/b", "default/a"}
	var got []string
	for _, n := range l.Holders(a.Addresses[0]) {
		got = append(got, n.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("holders (-want +got):\n%s", diff)
	}
}

// TestSharingChangesInPlace defends P1 and P2: what becomes of a Service that
// changes its key, policy or ports while it holds an address.
func TestSharingChangesInPlace(t *testing.T) {
	t.Parallel()

	stays := brief{Action: Keep, Addresses: "192.0.2.1", Pool: "p", Unchanged: true}
	moves := func(why string) brief {
		return brief{Action: Move, Addresses: "192.0.2.2", Pool: "p", Notes: []string{
			"ClearAssignment: gives up 192.0.2.1: held by default/other: " + why,
			`IPAllocated: assigned 192.0.2.2 from pool "p" (was 192.0.2.1)`,
		}}
	}
	tests := []struct {
		change string
		alone  bool // nobody else has the address
		to     []option
		want   brief
	}{
		{"key, as the only user", true, []option{sharing("q")}, stays},
		{"policy, as the only user", true, []option{local("app=a")}, stays},
		{"ports, as the only user", true, []option{ports(udp80)}, stays},
		{"ports to others that are free", false, []option{ports(udp80)}, stays},
		{"ports to one in use", false, []option{ports(tcp443)}, moves("both want port 443/TCP")},
		{"key to another", false, []option{sharing("q")}, moves("they have no sharing key in common")},
		{"key to none", false, []option{sharing("")}, moves("they have no sharing key in common")},
		{"policy to Local", false, []option{local("app=a")}, moves("their traffic policies or selectors differ")},
	}
	for _, tt := range tests {
		t.Run(tt.change, func(t *testing.T) {
			t.Parallel()

			snap, l := compile(pool("p", "192.0.2.1-192.0.2.2")), NewLedger()
			svc := service("svc", sharing("k"), ports(tcp80))
			settle(t, snap, l, &svc)
			if !tt.alone {
				other := service("other", sharing("k"), ports(tcp443))
				settle(t, snap, l, &other)
			}
			svc = with(svc, tt.to...)
			if diff := cmp.Diff(tt.want, briefly(settle(t, snap, l, &svc))); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSharingWithoutRoomEndsPending defends P1 over P2: when there is no other
// address, one that another Service has is given up all the same.
func TestSharingWithoutRoomEndsPending(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("p", "192.0.2.1/32")), NewLedger()
	other := service("other", sharing("k"), ports(tcp443))
	settle(t, snap, l, &other)
	svc := service("svc", sharing("k"), ports(tcp80))
	settle(t, snap, l, &svc)

	svc = with(svc, ports(tcp443))
	want := brief{Action: Release, Reasons: []Reason{PoolFull}, Notes: []string{
		"ClearAssignment: gives up 192.0.2.1: held by default/other: both want port 443/TCP",
		`AllocationFailed: no address for default/svc: pool "p" has no free IPv4 address (1 of 1 in use)`,
	}}
	if diff := cmp.Diff(want, briefly(settle(t, snap, l, &svc))); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
}

// TestLowestFreeOrShareable defends the rule that sharing is opportunistic: a
// free lower address goes before a shared higher one, and the other way round.
func TestLowestFreeOrShareable(t *testing.T) {
	t.Parallel()

	snap, l := compile(pool("p", "192.0.2.1-192.0.2.9")), NewLedger()
	low := service("low", ports(tcp80))
	settle(t, snap, l, &low) // .1, not shared
	shared := service("shared", sharing("k"), ports(tcp80))
	settle(t, snap, l, &shared) // .2
	high := service("high", sharing("k"), ports(tcp80))
	settle(t, snap, l, &high) // .3, for its port

	joins := service("joins", sharing("k"), ports(tcp443))
	if got, want := briefly(settle(t, snap, l, &joins)).Addresses, "192.0.2.2"; got != want {
		t.Errorf("with .1 taken, a Service that may share gets %s, want %s", got, want)
	}
	l.Release(low.Name)
	free := service("free", sharing("k"), ports(udp80))
	if got, want := briefly(settle(t, snap, l, &free)).Addresses, "192.0.2.1"; got != want {
		t.Errorf("with .1 free, a Service that may share gets %s, want %s", got, want)
	}
}
