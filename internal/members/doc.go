// Package members knows which speakers are alive, through hashicorp/memberlist.
// It never decides what their absence means.
//
// This is the slow plane of liveness: gossip that needs no API server, superb
// against packet loss, a few seconds behind a crash, at once with a clean stop.
// It speaks the protocol, the defaults and the key derivation of MetalLB's
// speakers, so that a cluster may be migrated node by node while old and new
// speakers see each other as members of one list.
//
// Its layers, from the outside in:
//
//	members.go    what other goroutines touch: New, SetPeers, SetKey, Members, Changed
//	run.go        the one goroutine that owns a memberlist, from listening to leaving
//	join.go       whom to call next and when: pure, gets an instant
//	key.go        a key file's bytes to a keyring, and what plaintext is allowed
//	rotation.go   when to use a new key, and when to drop the old one: pure
//	tuning.go     /etc/metallb/memberlist/config.json
//	roster.go     memberlist's callbacks to names
//	voice.go      memberlist's log lines to log records, each problem once
//	card.go       what a member says of itself
//	card_text.go  the same in 512 octets
//	transport.go  the sockets
//	aside.go      the same port for somebody else's packets
//
// # Keys
//
// SetKey takes a primary key, which encrypts, and others, which may only
// decrypt. A change of key without a moment in which two speakers do not
// understand each other has three steps, each completed on every node before
// the next begins:
//
//	SetKey(old, new)   everyone can read the new key
//	SetKey(new, old)   everyone writes it
//	SetKey(new)        nobody reads the old one any more
//
// Rotation takes the steps in time: each member says on its card which keys it
// accepts, and nobody uses one before all do. Whoever does not understand another
// is no member to it, and one that starts among speakers with another key has no
// view to show, for ten minutes at most: it owns nothing, and nobody takes it for
// an owner.
//
// An empty key is plaintext, so the same three steps lead from a cluster that
// started before its Secret existed to an encrypted one: SetKey(nil, key),
// SetKey(key, nil), SetKey(key). The straight way, SetKey(key), works too, but
// until every node has taken it there are two lists that do not see each other.
//
// Keys are exchanged in the running memberlist. Only what memberlist cannot
// change while it runs, whether plaintext is sent and whether it is accepted,
// replaces it by another of the same name: without leaving, so that the others
// notice nothing, and with Members unchanged until the new one has joined.
package members
