// Package unnumbered finds the router at the other end of a link that has no
// addresses of its own, by the Router Advertisements it sends (RFC 4861), and
// sends such as make routers notice this node. It offers no default route.
package unnumbered
