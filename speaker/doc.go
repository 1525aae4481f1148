// Package speaker is the loop of one node: facts in, decision, engines. It
// knows no Kubernetes object and no socket, and decides nothing itself.
//
// Whoever learns a fact hands it over with one of the Set methods, which never
// block; [Speaker.Run] takes all that has come in together, lets the standing
// [announce.Plan] judge what it touches, hands the engines their complete
// orders and reports what changed. Nothing is announced before all facts have
// come in once: a speaker that knows half of the cluster would take over what
// is not its own.
//
//	inbox.go    the facts that have come in
//	speaker.go  the loop, and the order in which the engines end
//	chores.go   what it does by the clock
//	outcome.go  what came of it on the wire
//	crew.go     those who run beside it
//	paths.go    one of them: from BFD to BGP without a detour
//	engine.go   what is asked of the engines
//	log.go      what an operator is told
package speaker
