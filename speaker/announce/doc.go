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
// Layers: view (what is known) -> candidates and owner (whose address it is)
// -> interfaces (whether this node can) -> decision. [Plan] is Decide kept
// standing: it revises only what a change touches, and always equals Decide on
// the same facts.
package announce
