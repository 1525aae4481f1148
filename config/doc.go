// Package config turns Kubernetes objects into one immutable [Snapshot] that
// the deciding packages read. It never decides who gets an address or who
// announces it.
//
// Parsing happens once, here: past [Compile] and [ParseService] there is no
// string holding an address, no nil meaning a default and no unresolved
// reference. Objects are judged one by one, so that a mistake stays local: a
// bad object yields a [Problem] naming object, field and value, and drops out;
// of two objects that contradict each other the younger loses.
//
// Layers: objects (what is read) -> compile, and one file per kind: pool,
// l2advertisement, bgpadvertisement, community, peer with session, bfdprofile,
// node -> snapshot (what is asked). Services are not part of the
// snapshot, because one of them changes far more often than the rest of the
// configuration: [ParseService] and [ParseEndpoints] judge one at a time.
package config
