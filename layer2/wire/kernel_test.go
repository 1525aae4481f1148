//go:build linux

package wire_test

import (
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/clarion-lb/clarion/internal/segment"
)

// TestKernelResolves: another kernel finds owned addresses at our MAC, and no
// others.
func TestKernelResolves(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	s.node.announce(owned4, owned6)
	for _, addr := range []netip.Addr{owned4, owned6} {
		s.client.resolves(addr, nodeMAC)
	}
	for _, addr := range []string{"192.0.2.81", "2001:db8::81"} {
		addr := netip.MustParseAddr(addr)
		s.client.knock(addr)
		segment.Eventually(t, addr.String()+" is given up", func() bool {
			_, state := s.client.neighbour(addr)
			return state == netlink.NUD_FAILED
		})
	}
}

// TestKernelObeysTakeover: an entry that points elsewhere, and was confirmed just
// now, turns to us with our first announcement.
func TestKernelObeysTakeover(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	e := s.node.announce()
	for _, addr := range []netip.Addr{owned4, owned6} {
		s.client.setNeighbour(addr, otherMAC, netlink.NUD_REACHABLE)
	}
	e.Set(s.node.own(owned4, owned6))
	for _, addr := range []netip.Addr{owned4, owned6} {
		segment.Eventually(t, addr.String()+" has moved to us", func() bool {
			mac, _ := s.client.neighbour(addr)
			return mac == nodeMAC.String()
		})
	}
	for _, a := range e.Status().Addresses {
		// The repeats come later than this, on a machine that is not stuck.
		if a.Gratuitous > 4 {
			t.Errorf("%s has moved only after %d frames", a.Addr, a.Gratuitous)
		}
	}
}

// TestKernelProbes: a neighbour that checks its entry by unicast finds it good.
// The kernel gives an entry up in this state without ever asking by multicast.
func TestKernelProbes(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	s.node.announce(owned4, owned6)
	for _, addr := range []netip.Addr{owned4, owned6} {
		s.client.setNeighbour(addr, nodeMAC, netlink.NUD_PROBE)
		segment.Eventually(t, "the probe for "+addr.String()+" is answered", func() bool {
			_, state := s.client.neighbour(addr)
			return state == netlink.NUD_REACHABLE
		})
	}
}

// TestKernelDetectsDuplicate: nobody on the segment can take an owned address.
func TestKernelDetectsDuplicate(t *testing.T) {
	t.Parallel()
	s := newCable(t)
	s.node.announce(owned6)
	s.client.Sysctl("ipv6/conf/all/accept_dad", "1")
	s.client.Sysctl("ipv6/conf/eth0/accept_dad", "1")
	flags := func(addr string) int {
		list, err := s.client.AddrList(s.client.Link("eth0"), netlink.FAMILY_V6)
		segment.Must(t, err)
		for _, a := range list {
			if a.IP.String() == addr {
				return a.Flags
			}
		}
		return 0
	}
	for _, addr := range []string{owned6.String(), "2001:db8::81"} {
		a, err := netlink.ParseAddr(addr + "/64")
		segment.Must(t, err)
		segment.Must(t, s.client.AddrAdd(s.client.Link("eth0"), a))
	}
	segment.Eventually(t, "our address is refused to the client", func() bool {
		return flags(owned6.String())&unix.IFA_F_DADFAILED != 0
	})
	segment.Eventually(t, "a free address is granted", func() bool {
		return flags("2001:db8::81")&unix.IFA_F_TENTATIVE == 0
	})
	if flags("2001:db8::81")&unix.IFA_F_DADFAILED != 0 {
		t.Error("a free address was refused")
	}
}
