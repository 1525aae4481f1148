// Package interop holds Clarion's BGP and BFD engines against real routers, FRR and BIRD, on real links and without a cluster. It says
// what a router must think of the engines, and never looks into them: but for a test of what their own status says, the oracle is the
// router.
//
// It is a module of its own because it needs the product's packages as well as the lab's, whose Kubernetes has other ideas about versions.
//
// Layers:
//
//	rig         a switch, a router and as many nodes as a test wants
//	Speaker     both engines in a process of their own inside a node, as the product's speaker has them
//	order       what a test tells that process, and what it answers
//
// The process is this test binary, started again (see TestMain).
package interop
