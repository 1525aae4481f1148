// Package socket is where bfd meets the kernel: UDP sockets that carry control
// packets, and packet sockets that carry echo packets. It never looks at what a
// control packet says, and decides nothing about sessions.
//
// Control packets need no capability. Echo packets need CAP_NET_RAW in the user
// namespace of the network namespace: they are addressed to the node that sends
// them, so the kernel's own routing would never let them leave it (RFC 5881,
// section 4).
package socket
