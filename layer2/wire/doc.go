// Package wire is where layer2 meets the kernel: packet sockets that carry ARP
// and neighbour discovery, and the multicast memberships that bring the latter
// in. It never answers a frame, and looks into one only to leave it out.
//
//	socket.go                 the sockets
//	ring.go                   where frames wait to be read
//	filter.go, filter_set.go  which frames the kernel leaves out
//	groups.go                 the memberships
//
// Both protocols use packet sockets (AF_PACKET). For ARP there is nothing else.
// For NDP an ICMPv6 socket would do for most, but the kernel hands to such a
// socket only packets for addresses the host has, and an announced address is
// one it does not have: the unicast probe by which a neighbour checks, half a
// minute later, that its entry still holds (RFC 4861, 7.3.3) would never be
// heard.
//
// Opening needs CAP_NET_RAW in the user namespace of the network namespace, and
// nothing else: no interface is made promiscuous, configured or even written to.
package wire
