// Package heartbeat finds out within a fraction of a second that a node has
// died, and whether this process may still speak for its own node. It never
// decides who takes over.
//
// This is the fast plane of liveness. Who exists is the slow plane's to say
// (memberlist); who of them lives is told by packets that each node sends to
// the two others which watch it, every 50 ms. Six of them missing make a
// suspicion; a verdict takes three things more:
//
//   - the node's kernel is silent too. One that answers means that the speaker is
//     dead and its node is not: packets are still forwarded, and moving the
//     addresses would break every connection for nothing. That speaker has some
//     seconds to come back;
//   - no other watcher still hears the node;
//   - the one who judges hears somebody: a node that hears nobody has lost its
//     own cable, not all the others theirs.
//
// A verdict is numbered, sent to everybody and repeated in what nodes tell each
// other anyway, so that all come to the same view: the highest number stands.
//
// The other half is the fence. A process that was not running, that hears
// nobody, or that those who watch it no longer hear must not answer for
// anything: somebody else may. Fit says so, and is asked before every answer.
// After a pause it stays false until the others have said what became of the
// world; what waits in the socket from before the pause proves nothing.
//
// The package in layers, from what other goroutines touch to the octets:
//
//	monitor.go   New, SetPeers, SetKeys, Receive, Down, Fit, Leave, Run
//	state.go     everything known, owned by Run's goroutine
//	judge.go     when a silence becomes a suspicion, and that a verdict: pure
//	watch.go     who watches whom: pure
//	verdict.go   what is held of each node, and whose word stands: pure
//	beat.go      the one packet there is, and its seal
package heartbeat
