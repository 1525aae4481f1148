// Package gobgp carries the messages of BGP sessions over TCP, in the encoding
// of GoBGP's packet library. It never decides what to say, keeps no state of a
// session but how the two sides encode, and nothing a router sends can stop it:
// a message that breaks the protocol becomes a *bgp.MessageError, and the body of
// an UPDATE is thrown away unread, so that there is no malformed attribute to
// stumble over and no full table to store.
//
// Of GoBGP only the codec is used, none of its server. It encodes and decodes
// capabilities, and encodes path attributes; every call into it is guarded, so
// that a panic in there costs at most one session. The rest is cheap to do and
// dear to get wrong, and is ours:
//
//	network.go      connects: what a session asks of its TCP connection
//	options.go      socket options
//	addresses.go    where a connection runs, from the kernel's list of addresses
//	conn.go         a connection: one goroutine sends, one receives, any closes
//	send.go         messages out; those of any kind but UPDATE in full
//	receive.go      cuts the stream into messages (RFC 4271, sections 4.1 and 6.1)
//	open.go         OPEN and its capabilities (RFC 5492, RFC 9072)
//	notification.go NOTIFICATION and its text (RFC 9003)
//	update.go       as many prefixes as fit into each UPDATE
//	attributes.go   what stands with them: path attributes
//	guard.go        what a panic of the library becomes
package gobgp
