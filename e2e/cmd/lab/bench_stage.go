package main

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/clarion-lb/clarion/e2e/frames"
	"github.com/clarion-lb/clarion/e2e/lab"
)

// failback is how long a node has to be well before it owns addresses again: less than the default, or each round would take a minute.
const failback = time.Second

// stage is a lab on which owners of addresses can be struck one after another, and be back before the next is. One node has all Pods and
// is never struck, so that what is lost is an address and nothing behind it.
type stage struct {
	lab    *lab.Lab
	asker  *frames.Sender
	owners map[netip.Addr]string // of all addresses, while all nodes are well
	// targets are the addresses of one Service, by the node that owns them, without the one that has the Pods.
	targets map[string][]netip.Addr
}

// setTheStage installs the product, with more flags for its speakers, and makes Services of both families.
func setTheStage(ctx context.Context, l *lab.Lab, flags []string) (*stage, error) {
	if err := l.Install(ctx); err != nil {
		return nil, err
	}
	if err := addSpeakerFlags(ctx, l, append(flags, "--failback-delay="+failback.String())); err != nil {
		return nil, err
	}
	if err := l.AddPool(ctx, "bench", "192.168.200.0/24", "2001:db8:0:2::/64"); err != nil {
		return nil, err
	}
	if err := l.Announce(ctx, "bench"); err != nil {
		return nil, err
	}
	home, both := l.Nodes()[0].Name(), []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}
	if err := l.AddWorkload(ctx, lab.Workload{Name: "pods", Nodes: []string{home}, Type: corev1.ServiceTypeClusterIP, Families: both}); err != nil {
		return nil, err
	}
	asker, err := frames.NewSender(l.Router())
	if err != nil {
		return nil, err
	}
	s := &stage{lab: l, asker: asker, owners: map[netip.Addr]string{}, targets: map[string][]netip.Addr{}}
	for i := range 3 * len(l.Nodes()) {
		if err := s.addService(ctx, lab.Workload{Name: fmt.Sprintf("bench-%d", i), Of: "pods", Families: both}); err != nil {
			return nil, err
		}
	}
	if err := s.findOwners(ctx, home); err != nil {
		return nil, err
	}
	// An address is new for ten seconds, and in that time whoever takes it over proves first that it is free.
	select {
	case <-time.After(12 * time.Second):
		return s, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// addSpeakerFlags changes the command line of all speakers.
func addSpeakerFlags(ctx context.Context, l *lab.Lab, flags []string) error {
	var patch []string
	for _, flag := range flags {
		patch = append(patch, fmt.Sprintf(`{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": %q}`, flag))
	}
	_, err := l.Kubectl(ctx, "-n", lab.ProductNamespace, "patch", "daemonset", "speaker", "--type=json", "--patch=["+strings.Join(patch, ",")+"]")
	if err != nil {
		return err
	}
	return l.WaitProduct(ctx)
}

// addService makes a Service and notes its addresses.
func (s *stage) addService(ctx context.Context, w lab.Workload) error {
	if err := s.lab.AddWorkload(ctx, w); err != nil {
		return err
	}
	addrs, err := s.lab.WaitAddresses(ctx, "default", w.Name)
	for _, addr := range addrs {
		s.owners[addr] = ""
	}
	return err
}

// findOwners waits until every address has one answerer, and notes it. It is the same one whenever all nodes are well.
func (s *stage) findOwners(ctx context.Context, home string) error {
	services, err := s.addresses(ctx)
	if err != nil {
		return err
	}
	missing := ""
	err = s.watchAnswers(ctx, "every address has an owner", func(records []frames.Record) bool {
		for addr := range s.owners {
			answers := frames.Claimants(frames.Answers(records, addr), addr)
			if len(answers) != 1 {
				missing = fmt.Sprintf("%s is answered by %v", addr, answers)
				return false
			}
			s.owners[addr] = answers[0]
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, missing)
	}
	for _, addrs := range services {
		// Both families of a Service are on one node.
		if owner := s.owners[addrs[0]]; owner != home && s.owners[addrs[1]] == owner {
			s.targets[owner] = addrs
		}
	}
	if len(s.targets) == 0 {
		return fmt.Errorf("no Service is on another node than %s", home)
	}
	return s.watchAnswers(ctx, "all addresses are answered", s.answeredByOwners)
}

// addresses returns those of every Service, IPv4 first.
func (s *stage) addresses(ctx context.Context) ([][]netip.Addr, error) {
	var all [][]netip.Addr
	for i := range len(s.owners) / 2 {
		addrs, err := s.lab.WaitAddresses(ctx, "default", fmt.Sprintf("bench-%d", i))
		if err != nil {
			return nil, err
		}
		all = append(all, addrs)
	}
	return all, nil
}

// watchAnswers asks for all addresses again and again until what is heard is as it should be.
func (s *stage) watchAnswers(ctx context.Context, what string, right func([]frames.Record) bool) error {
	return s.lab.Until(ctx, what, func(context.Context) (bool, error) {
		capture, err := frames.Watch(s.lab.Switch())
		if err != nil {
			return false, err
		}
		if err := s.askAll(); err != nil {
			return false, err
		}
		time.Sleep(200 * time.Millisecond)
		records, err := capture.Stop()
		return err == nil && right(records), err
	})
}

// askAll asks once who has each address.
func (s *stage) askAll() error {
	for addr := range s.owners {
		if err := s.asker.Ask(addr); err != nil {
			return err
		}
	}
	return nil
}

// answeredByOwners reports whether each address was answered for, by its owner and nobody else.
func (s *stage) answeredByOwners(records []frames.Record) bool {
	by := map[netip.Addr]bool{}
	for _, r := range records {
		addr, ok := r.Claim()
		owner := s.owners[addr]
		if !ok || owner == "" || r.Gratuitous() {
			continue
		}
		if r.Port != owner {
			return false
		}
		by[addr] = true
	}
	return len(by) == len(s.owners)
}

// nodes returns the nodes that can be struck, sorted.
func (s *stage) nodes() []string { return slices.Sorted(maps.Keys(s.targets)) }

// logs returns what the speakers that run have logged since then.
func (s *stage) logs(ctx context.Context, since time.Time) (string, error) {
	return s.lab.Kubectl(ctx, "-n", lab.ProductNamespace, "logs", "-l", lab.SpeakerPods, "--prefix", "--timestamps", "--tail=-1", "--max-log-requests=30",
		"--since-time="+since.UTC().Format(time.RFC3339))
}
