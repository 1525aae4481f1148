package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/clarion-lb/clarion/e2e/frames"
	"github.com/clarion-lb/clarion/e2e/lab"
)

// failoverBench measures how long an address is gone when its owner fails.
type failoverBench struct{ rounds int }

// failure is a way to lose the owner of an address.
type failure struct {
	name   string
	strike func(*lab.Node) error
	// settle is how long to watch: longer than anything takes.
	settle time.Duration
}

func failures() []failure {
	return []failure{
		{"node dies", (*lab.Node).Kill, 20 * time.Second},
		{"cable cut", (*lab.Node).CutCable, 20 * time.Second},
		{"speaker dies", func(n *lab.Node) error { return n.Signal(lab.SpeakerPods, syscall.SIGKILL) }, 15 * time.Second},
		{"speaker hangs for 15 s", func(n *lab.Node) error {
			time.AfterFunc(15*time.Second, func() { _ = n.Signal(lab.SpeakerPods, syscall.SIGCONT) })
			return n.Signal(lab.SpeakerPods, syscall.SIGSTOP)
		}, 20 * time.Second},
	}
}

func (b *failoverBench) run(ctx context.Context, l *lab.Lab) error {
	const row = "%-22s  %-18s  %5v  %13s  %-8s  %13s  %5v\n"
	if _, err := fmt.Fprintf(os.Stdout, row, "FAILURE", "ADDRESS", "ROUND", "CLAIMED AFTER", "BY", "NO ANSWER FOR", "LOST"); err != nil {
		return err
	}
	for _, f := range failures() {
		for round := range b.rounds {
			for _, pool := range []string{"192.168.200.0/24", "2001:db8:0:2::/64"} {
				result, err := lose(ctx, l, f, netip.MustParsePrefix(pool))
				if err != nil {
					return fmt.Errorf("%s: %w", f.name, err)
				}
				silent, lost := result.silence()
				if _, err := fmt.Fprintf(os.Stdout, row, f.name, result.addr, round+1, result.claim(), result.by, silent, lost); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

type result struct {
	addr    netip.Addr
	claimed time.Duration // from the failure to the first claim by another node
	by      string        // "" if nobody claimed it
	outages []lab.Outage
}

// claim says how long it took until another node claimed the address.
func (r result) claim() string {
	if r.by == "" {
		return "-"
	}
	return r.claimed.Round(time.Millisecond).String()
}

// silence returns the longest time without an answer, and how many questions were not answered in all.
func (r result) silence() (longest time.Duration, lost int) {
	for _, outage := range r.outages {
		longest, lost = max(longest, outage.Duration()), lost+outage.Missed
	}
	return longest.Round(time.Millisecond), lost
}

// lose makes a Service with one address, strikes its owner, and watches wire and client. The Pods are on the other nodes, so that
// only the address is lost.
func lose(ctx context.Context, l *lab.Lab, f failure, pool netip.Prefix) (result, error) {
	if err := l.Reset(ctx); err != nil {
		return result{}, err
	}
	if err := l.WaitProduct(ctx); err != nil {
		return result{}, err
	}
	if err := l.AddPool(ctx, "bench", pool.String()); err != nil {
		return result{}, err
	}
	if err := l.Announce(ctx, "bench"); err != nil {
		return result{}, err
	}
	service := lab.Workload{Name: "bench", Of: "pods", Families: lab.Families(pool.Addr())}
	if err := l.AddWorkload(ctx, service); err != nil {
		return result{}, err
	}
	addresses, err := l.WaitAddresses(ctx, "default", "bench")
	if err != nil {
		return result{}, err
	}
	addr := addresses[0]
	// Nobody may own an address that nothing serves; any Pod will do to find out who would.
	if err := l.AddWorkload(ctx, lab.Workload{Name: "pods", Replicas: 3, Type: "ClusterIP", Families: lab.Families(pool.Addr())}); err != nil {
		return result{}, err
	}
	owner, err := l.WaitOwner(ctx, addr)
	if err != nil {
		return result{}, err
	}
	if err := l.MoveWorkload(ctx, "default", "pods", others(l, owner)); err != nil {
		return result{}, err
	}
	url := "http://" + netip.AddrPortFrom(addr, 80).String()
	ask := lab.Fetch(l.Client().HTTPClient(time.Second), url)
	if err := l.Until(ctx, url+" answers", func(ctx context.Context) (bool, error) { return ask(ctx) == nil, nil }); err != nil {
		return result{}, err
	}

	capture, err := frames.Watch(l.Switch())
	if err != nil {
		return result{}, err
	}
	probe := lab.StartProbe(ctx, 20*time.Millisecond, 200*time.Millisecond, ask)
	time.Sleep(time.Second)
	struck := time.Now()
	failed := f.strike(l.Node(owner))
	select {
	case <-time.After(f.settle):
	case <-ctx.Done():
	}
	r := result{addr: addr, outages: lab.Outages(probe.Stop())}
	records, err := capture.Stop()
	if err := errors.Join(failed, err, ctx.Err()); err != nil {
		return result{}, err
	}
	for _, claim := range frames.ClaimsFor(records, addr) {
		if claim.At.After(struck) && claim.Port != owner {
			r.claimed, r.by = claim.At.Sub(struck), claim.Port
			break
		}
	}
	return r, nil
}

// others returns the names of all nodes but one.
func others(l *lab.Lab, owner string) []string {
	var names []string
	for _, node := range l.Nodes() {
		names = append(names, node.Name())
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == owner })
}
