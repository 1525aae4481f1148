package router

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// stateDirectory is inside the sandbox's own /run, so it is memory and vanishes with the sandbox. Paths below it must stay short:
// the routers' control sockets are there.
const stateDirectory = "/run/router"

// patience is how long a router may take for what it does at once on a machine that has nothing else to do.
const patience = 30 * time.Second

// Router is what FRR and BIRD have in common: their view of the network, and a life.
type Router interface {
	// Neighbors returns all BGP neighbours by address.
	Neighbors(ctx context.Context) (map[netip.Addr]Neighbor, error)
	// Routes returns every path of the router's table, the router's own too, by prefix; of several paths, the best come first.
	Routes(ctx context.Context, family Family) (map[netip.Prefix][]Route, error)
	// BFDPeers returns all BFD sessions by address.
	BFDPeers(ctx context.Context) (map[netip.Addr]BFDPeer, error)

	Start(ctx context.Context) error
	Stop(ctx context.Context)
	Kill()
	Log() string
}

var (
	_ Router = (*FRR)(nil)
	_ Router = (*BIRD)(nil)
)

// find returns the path of a router's program, which on many systems is where only the system's own scripts look.
func find(program, debianPackage string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/lib/frr", "/usr/libexec/frr", "/usr/sbin", "/usr/local/sbin"} {
		path := filepath.Join(dir, program)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("router: the program %s is missing; install it with `make setup`, or on Debian with `apt-get install %s`", program, debianPackage)
}

// until calls check every few milliseconds until it reports true.
func until(ctx context.Context, check func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !check() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func sorted(words []string) []string { return slices.Sorted(slices.Values(words)) }

func bestFirst(routes []Route) {
	slices.SortStableFunc(routes, func(a, b Route) int {
		switch {
		case a.Best == b.Best:
			return a.Peer.Compare(b.Peer)
		case a.Best:
			return -1
		default:
			return 1
		}
	})
}
