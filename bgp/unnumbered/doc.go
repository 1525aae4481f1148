// Package unnumbered finds the router at the other end of a link that has no
// addresses of its own, by the Router Advertisements it sends (RFC 4861), and
// sends such itself, for routers wait for them before they speak BGP. It never
// offers a route, a prefix or a parameter to anybody: its advertisements have a
// router lifetime of 0, by which it is nobody's default router (section 6.2.3). It
// configures nothing on this node, and what it hears changes nothing here but the
// answer to "who is there".
//
// A link is meant to be a cable between two. If several routers are heard, the
// first one is used as long as it is heard, and Status names the others.
//
//	config.go   the links, and the report
//	engine.go   what other goroutines touch, and the loop that owns the rest
//	port.go     one link: who was heard, what to say when; decides without I/O
//	wire.go     what carries messages
//	sockets.go  the kernel's ICMPv6 sockets
package unnumbered
