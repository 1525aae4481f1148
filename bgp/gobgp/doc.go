// Package gobgp carries the messages of BGP sessions over TCP, in the encoding
// of GoBGP's packet library. It never decides what to say, and nothing a router
// sends can stop it.
package gobgp
