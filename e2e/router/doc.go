// Package router runs the routers that Clarion talks to, FRR and BIRD 2, as ordinary processes in the network of a lab's host, and says
// what they think of their neighbours. It never judges: what a router says is the oracle of a test, so nothing here is made up, rounded
// or left out because it looks wrong.
//
// Layers:
//
//	FRR, BIRD        one router each: start, stop, kill, configure while it runs, ask anything in its own language
//	Neighbor, Route, both routers' answers in the same few types: what a test compares does not depend on which router said it
//	BFDPeer
//	frr_*.go         reads the JSON that vtysh prints
//	bird_*.go        reads the text that birdc prints
//
// What a router installs in the kernel is asked of its host: network.Namespace.Routes, and WatchRoutes for what comes and goes.
package router
