// Package announce decides what one node announces, and why not. It opens no
// socket, talks to no API server and keeps no time.
//
// [Decide] is the whole of it: a configuration snapshot and a [View] of the
// facts in, a [Decision] out. Ownership is computed from [Shared] facts alone,
// so that every node comes to the same owner; [Local] facts may only veto, and
// each veto has a [Reason]. For each Service, address and protocol there is
// exactly one [Verdict], whose Reason is the word used in log, Event, metric
// and status.
//
// The package in layers, from what is known down to what is done:
//
//	view.go        the facts
//	candidates.go  what one Service asks of the nodes
//	owner.go       whose address it is: the whole rule, and its shortcut
//	interfaces.go  whether this node can answer
//	judge.go       one address and all who hold it, judged
//	verdict.go     the words of the outcome
//	decide.go      all addresses, judged once
//	plan.go        Decide kept standing: judges only what a change touches, and
//	revision.go    tells what is new
//
// A [Plan] always equals Decide on the same facts. What it may skip rests on
// one property of owner.go: a node that is lost moves only what it owned.
package announce
