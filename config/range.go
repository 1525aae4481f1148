package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"go4.org/netipx"
)

// ParseRange reads one entry of spec.addresses: a CIDR, or first-last.
//
// As in MetalLB, host bits of a CIDR are masked, blanks around the ends of a
// range are tolerated and those around a CIDR are not, and IPv4-mapped IPv6
// addresses mean the IPv4 ones. A range of two families is refused.
func ParseRange(text string) (netipx.IPRange, error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		return parseCIDR(text)
	}
	from, err := parseAddr(strings.TrimSpace(first))
	if err != nil {
		return netipx.IPRange{}, err
	}
	to, err := parseAddr(strings.TrimSpace(last))
	if err != nil {
		return netipx.IPRange{}, err
	}
	switch {
	case FamilyOf(from) != FamilyOf(to):
		return netipx.IPRange{}, fmt.Errorf("the range starts in %s and ends in %s", FamilyOf(from), FamilyOf(to))
	case to.Less(from):
		return netipx.IPRange{}, errors.New("the range ends before it starts")
	}
	return netipx.IPRangeFrom(from, to), nil
}

func parseCIDR(text string) (netipx.IPRange, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
			return netipx.IPRange{}, fmt.Errorf("has no prefix length: write %s for this one address", netip.PrefixFrom(a, a.BitLen()))
		}
		return netipx.IPRange{}, errors.New("is neither a CIDR such as 192.0.2.0/24 nor a range such as 192.0.2.10-192.0.2.20")
	}
	if prefix.Addr().Is4In6() {
		if prefix.Bits() < 96 {
			return netipx.IPRange{}, errors.New("an IPv4-mapped prefix must be /96 or longer")
		}
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
	}
	return netipx.RangeOfPrefix(prefix), nil
}

// parseAddr reads one IP literal without zone; IPv4-mapped ones become IPv4.
func parseAddr(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is not an IP address", text)
	}
	return a.Unmap(), nil
}

// rangeText writes a range as a CIDR where it is one.
func rangeText(r netipx.IPRange) string {
	if p, ok := r.Prefix(); ok {
		return p.String()
	}
	return r.String()
}
