// Package bgp advertises routes to routers over BGP-4 (RFC 4271). It decides
// neither which routes exist nor who hears of them, and it learns none: what
// routers advertise is read and forgotten, so that a full table costs nothing.
//
// It only ever calls; nobody can call it. Each peer has a session of its own,
// which a change of another peer never touches.
//
// The package in layers, from what it is told down to the message:
//
//	config.go, attributes.go   the order form: peers, sessions, routes; plain values
//	routes.go                  an immutable set of routes, cheap to copy and to compare
//	diff.go                    what to say to turn one set into another: pure
//	status.go                  the report
//	engine.go                  what other goroutines touch, and one session per peer
//	session.go                 one peer: the goroutine that does what the next two want
//	fsm.go, negotiate.go       its state machine (RFC 4271, section 8), timers, OPEN: pure
//	advertise.go, nexthop.go   what its router has been told, and in which words: pure
//	cause.go, notification.go  why there is no session, in words
//	leave.go                   how to go without losing a packet (RFC 8326, RFC 9003)
//	connection.go              the goroutines that wait for a connection
//	message.go, wire.go        what sessions say, and what carries it (bgp/gobgp)
//
// docs/design/bgp-sessions.md has the reasons.
package bgp
