// Package network builds a small network out of Linux network namespaces: hosts, each with one cable to a switch, and the
// faults a network has: a cut cable, a one-way path, a lossy path. It never gives an address a meaning; which host plays which
// part, and who routes what, is its caller's business.
//
// Layers:
//
//	Namespace   runs a function, a dial, a listen or a command inside one network namespace
//	Host        a namespace with addresses, an interface eth0 and a cable to the switch
//	Switch      the bridge in the middle; a port is named after the host it leads to
//	Cut         traffic the switch drops, between two sets of hosts, in one direction
//	RouteWatch  what comes and goes in a namespace's routing table
//
// Everything here needs CAP_NET_ADMIN over the namespaces, and is meant to run inside package sandbox.
package network
