package layer2

import (
	"encoding/binary"
	"net/netip"
)

const (
	mldHopLimit  = 1   // of the link only (RFC 3810, 5)
	mldReport    = 143 // version 2 (RFC 3810, 5.2)
	mldToExclude = 4   // "from nobody excluded": the group is joined (RFC 3810, 5.2.12)
	mldLen       = 8   // without its records
	mldRecordLen = 20  // without sources

	ipv6HopByHop   = 0 // next header
	routerAlertLen = 8 // a hop-by-hop header with that option alone (RFC 2711)
	ipv6MinimumMTU = 1280
	// mldMost is how many groups a report holds on any link.
	mldMost = (ipv6MinimumMTU - ipv6Len - routerAlertLen - mldLen) / mldRecordLen
)

// mldJoined reports that a station has joined groups, at most mldMost, so that
// snooping switches forward solicitations to it (RFC 4861, 7.2.1; RFC 4541, 3). The kernel reports the same, but when a worker
// of its own gets to it: 8 ms after a join at best, and 140 ms were seen on a busy
// node. Until then nobody who has to resolve the address gets an answer.
func mldJoined(b []byte, from station, groups []netip.Addr) []byte {
	b = appendEthernet(b, MAC{0x33, 0x33, 0, 0, 0, 0x16}, from.MAC, etherTypeIPv6)
	start := len(b)
	size := routerAlertLen + mldLen + mldRecordLen*len(groups)
	b = append(b, 6<<4, 0, 0, 0, uint8(size>>8), uint8(size), ipv6HopByHop, mldHopLimit)
	src := from.IP.As16()
	b = append(b, src[:]...)
	b = append(b, 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16) // all MLDv2-capable routers
	b = append(b, ipv6ICMP, 0, 5, 2, 0, 0, 1, 0)                           // router alert: MLD; padding
	b = append(b, mldReport, 0, 0, 0, 0, 0, uint8(len(groups)>>8), uint8(len(groups)))
	for _, group := range groups {
		g := group.As16()
		b = append(b, mldToExclude, 0, 0, 0)
		b = append(b, g[:]...)
	}
	ip, icmp := b[start:], b[start+ipv6Len+routerAlertLen:]
	binary.BigEndian.PutUint16(icmp[2:], icmpChecksum(ip[8:ipv6Len], icmp))
	return b
}
