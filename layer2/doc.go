// Package layer2 answers ARP and NDP for addresses it is told to own. It never
// decides ownership.
//
// It configures nothing: no address is added to an interface, no route and no
// kernel setting is touched, and on withdraw nothing is sent. All it does is to
// speak for addresses that the host does not have, on the links it is told to,
// so that the segment delivers their packets to this node.
//
// One address has one answerer. An engine hears what others claim: it stands
// back behind a speaker that ranks before it, defends an address against
// everybody else, and when an address becomes another's it answers until that
// one has announced it. It says nothing while the process is not fit to.
//
// The package in layers, from what it is told down to the frame:
//
//	config.go, status.go   the order form and the report: plain values
//	engine.go              what other goroutines touch: Set, Status, Changed, Run
//	loop.go                the one goroutine that owns ports and announcements
//	port.go, session.go    one protocol on one link, and the time it is open
//	membership.go          the multicast groups of one port
//	gratuitous.go          when an address is announced unasked: pure, gets an instant
//	responder.go           a frame in, a frame out or silence: the hot path
//	answer.go              the whole answering rule: pure
//	standing.go            the rule of who stands back when two claim an address
//	contest.go             what is done about it: asking, defending, yielding, reporting
//	arp.go, ndp.go         frames to values and back, in place: pure
//	wire.go                what the engine asks of the real sockets (layer2/wire)
//
// A request costs no allocation between its arrival and its answer: readers look
// addresses up in an immutable table behind an atomic pointer and count in
// atomics, so neither a flood nor a change of configuration makes the other wait.
package layer2
