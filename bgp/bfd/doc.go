// Package bfd tells within a fraction of a second when a path to a router has
// failed (RFC 5880, 5881 and 5883). It never acts on what it tells, and knows
// neither BGP nor Kubernetes.
//
// The package in layers, from what it is told down to the packet:
//
//	config.go, status.go   the order form and the report: plain values
//	engine.go              what other goroutines touch: Set, Status, Changed, Run
//	loop.go, turn.go       the one goroutine that owns sessions, sockets and time
//	line.go, listener.go   the sockets of one session, and those that all share
//	report.go              what the loop tells: log and Status
//	session.go, echo.go    one session, told of packets and instants: no clock, no socket
//	timing.go              intervals: what is announced, what is in force, Poll and Final
//	watch.go               how long silence is borne: pure
//	state.go               the state machine of three states and a switch: pure
//	control.go             packets to values and back: pure
//	wire.go                what the engine asks of the real sockets (bgp/bfd/socket)
//
// # What is and what is not implemented
//
// Asynchronous mode, single hop and multihop, active and passive role, the Echo
// function in both directions. Demand mode is honoured when a peer asks for it
// and never asked for. Authentication is not supported: packets that carry it
// are discarded and counted. The C bit is never set: this process is the control
// plane, and dies with it (RFC 5882, 4.3).
//
// # Never a false alarm for its own absence
//
// A process that was stopped or starved of CPU finds, when it runs again, timers
// that expired long ago, and in its sockets the packets that it should have read
// in time. So no peer is declared down before every packet that was waiting at
// the deadline has been read. Packets count from when they are read, not from
// when they came: a full socket keeps the oldest, which would make an absent
// reader look like an absent peer. And a process that comes to a deadline late
// gives the peer one interval more, once: what stopped this process may have
// stopped the machine.
//
// # Leaving
//
// A session that is removed, moved to another address, or ends with Run tells
// its peer AdminDown, which the peer does not take for a failure (RFC 5882,
// 3.2): three packets, 30 ms apart, so that one loss does not matter and
// shutdown takes 60 ms. The repeats come sooner than the one second of RFC 5880
// 6.8.3, because a process that ends cannot wait for it. A peer that misses all
// three finds out by its detection time.
//
// # Echo
//
// As sender (Profile.Echo, single hop only), the engine sends to the router
// packets that are addressed to this node, and counts on their return (RFC 5881,
// section 4). Detection by echo begins with the first that returns, so that a
// router which promises to return them and does not (its firewall, say) costs
// nothing. From then on the control packets that the peer sends slow down to
// one per second.
//
// As responder nothing of a packet reaches this process: the node's kernel
// forwards it back, which takes net.ipv4.ip_forward (net.ipv6.conf.all.forwarding)
// and a forwarding policy that lets it pass, as Kubernetes nodes have. FRR over
// IPv6 addresses its echo packets to the peer instead; those are sent back from
// here. Peers are invited to echo only if Profile.Echo is set.
package bfd
