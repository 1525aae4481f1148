// Package announce decides what one node announces, and why not. It opens no
// socket, talks to no API server and keeps no time.
//
// [Decide] is the whole of it: a configuration snapshot and a [View] of the
// facts in, a [Decision] out. For each Service, address and protocol there is
// exactly one [Verdict], whose Reason is the word used in log, Event, metric
// and status.
//
// At layer 2 an address has one owner. Ownership is computed from [Shared]
// facts alone, so that every node comes to the same owner; [Local] facts may
// only veto, and each veto has a [Reason]. With BGP each node speaks for
// itself: routers choose among all that advertise a route, and notice by
// themselves who has gone.
//
// The package in layers, from what is known down to what is done:
//
//	view.go        the facts
//	verdict.go     the words of the outcome
//
//	able.go        layer 2: which nodes can announce where
//	candidates.go  what one Service asks of them
//	order.go       how it ranks them
//	owner.go       whose address it is: the whole rule, and its shortcut
//	speakers.go    whose claims to an address are heard
//	interfaces.go  whether this node can answer
//	judge.go       one address and all who hold it, judged
//	watch.go       and those that nobody holds
//
//	peers.go       BGP: the routers of this node, and the paths to them
//	offer.go       what an advertisement tells which of them
//	routing.go     one Service, judged
//	routes.go      what each router is told of each destination
//	attributes.go  and with which attributes
//
//	decide.go      all Services, judged once
//	plan.go        Decide kept standing: judges only what a change touches, and
//	revision.go    tells what is new
//
// A [Plan] always equals Decide on the same facts, but for the free addresses it
// watches, for which it goes through whole pools only when it is told to. What
// it may skip at layer 2 rests on one property of owner.go: a node that is lost
// moves only what it owned.
package announce
