// Package link watches the node's network interfaces through netlink. It never
// changes one, and it never judges one: whether an address may be announced on
// a link is decided elsewhere, from the facts published here.
//
// Its layers, from the outside in:
//
//   - [Watcher] publishes an immutable, sorted list of [Link] values whenever a
//     fact has changed. Bursts are coalesced, statistics are not facts.
//   - table holds the facts by interface index and applies one kernel message
//     at a time, so an event costs what it touches and not what exists.
//   - kernel is the socket. Links and addresses share one, because only then
//     does the order of their events survive.
//
// No capability is needed: any process may listen to RTNLGRP_LINK and
// RTNLGRP_IPV{4,6}_IFADDR in its own network namespace.
package link
