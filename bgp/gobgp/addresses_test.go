//go:build linux

package gobgp

import (
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/bgp"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	on := func(index int, prefix string, flags uint32) address {
		a := address{Prefix: netip.MustParsePrefix(prefix), index: index, flags: flags}
		if a.Addr().IsLinkLocalUnicast() {
			a.scope = unix.RT_SCOPE_LINK
		}
		if a.Addr().IsLoopback() {
			a.scope = unix.RT_SCOPE_HOST
		}
		return a
	}
	addr := netip.MustParseAddr
	all := []address{
		on(1, "127.0.0.1/8", 0), on(1, "::1/128", 0), on(1, "203.0.113.1/32", 0), on(1, "2001:db8:1::1/128", 0),
		on(2, "192.0.2.20/32", 0), // somebody's service
		on(2, "192.0.2.30/24", unix.IFA_F_SECONDARY),
		on(2, "192.0.2.50/24", 0), on(2, "192.0.2.60/24", 0),
		on(2, "2001:db8::9/64", 0), on(2, "2001:db8::5/64", unix.IFA_F_TENTATIVE), on(2, "2001:db8::6/64", unix.IFA_F_DADFAILED),
		on(2, "2001:db8::7/64", unix.IFA_F_DEPRECATED), on(2, "2001:db8::8/64", unix.IFA_F_TEMPORARY), on(2, "2001:db8::1/128", 0),
		on(2, "fe80::2/64", 0), on(2, "fe80::1/64", unix.IFA_F_TENTATIVE),
		on(3, "198.51.100.1/32", 0), on(3, "fe80::2/64", 0), on(3, "fe80::3/64", 0),
		on(4, "2001:db8::9/128", 0), // the same again, where a proxy keeps the addresses of services
	}
	for _, tt := range []struct {
		local string
		index int
		want  bgp.Path
	}{
		{local: "192.0.2.60", want: bgp.Path{IPv4: addr("192.0.2.60"), IPv6: addr("2001:db8::9"), LinkLocal: addr("fe80::2")}},
		{local: "2001:db8::9", want: bgp.Path{IPv4: addr("192.0.2.50"), IPv6: addr("2001:db8::9"), LinkLocal: addr("fe80::2")}},
		{local: "2001:db8::7", want: bgp.Path{IPv4: addr("192.0.2.50"), IPv6: addr("2001:db8::7"), LinkLocal: addr("fe80::2")}},
		{local: "fe80::2", index: 3, want: bgp.Path{IPv4: addr("198.51.100.1"), LinkLocal: addr("fe80::2")}},
		{local: "fe80::3", index: 3, want: bgp.Path{IPv4: addr("198.51.100.1"), LinkLocal: addr("fe80::3")}},
		{local: "203.0.113.1", want: bgp.Path{IPv4: addr("203.0.113.1"), IPv6: addr("2001:db8:1::1")}},
		{local: "127.0.0.1", want: bgp.Path{IPv4: addr("127.0.0.1"), IPv6: addr("2001:db8:1::1")}},
		{local: "198.51.100.99", want: bgp.Path{IPv4: addr("198.51.100.99")}}, // gone by now
	} {
		for range 2 {
			if got := choose(all, addr(tt.local), tt.index); got != tt.want {
				t.Errorf("%s on %d:\ngot  %+v\nwant %+v", tt.local, tt.index, got, tt.want)
			}
			slices.Reverse(all) // the order must not matter
		}
	}
}
