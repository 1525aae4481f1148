package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/clarion-lb/clarion/e2e/frames"
	"github.com/clarion-lb/clarion/e2e/lab"
	"github.com/clarion-lb/clarion/e2e/network"
)

const examples = "examples/multiple-pools/"

func installProduct(ctx context.Context, s *story) error {
	s.title("Installing Clarion")
	if _, err := s.run(ctx, "kubectl get nodes -o wide"); err != nil {
		return err
	}
	for _, command := range []string{
		"kubectl apply -k deploy/",
		"kubectl -n metallb-system rollout status deployment/controller",
		"kubectl -n metallb-system rollout status daemonset/speaker",
		"kubectl -n metallb-system get pods -o wide",
	} {
		if _, err := s.run(ctx, command); err != nil {
			return err
		}
	}
	return nil
}

func definePools(ctx context.Context, s *story) error {
	s.title("Four pools, and one L2Advertisement to make their addresses reachable")
	for _, file := range []string{"pool-public", "pool-internal", "pool-premium", "pool-dev", "l2advertisement"} {
		if _, err := s.run(ctx, "kubectl apply -f "+examples+file+".yaml"); err != nil {
			return err
		}
	}
	out, err := s.run(ctx, "kubectl get ipaddresspool -n metallb-system")
	if err != nil {
		return err
	}
	for _, pool := range []string{"public-ips", "internal-ips", "premium-ips", "dev-ips"} {
		if err := unless(strings.Contains(out, pool), "there is no pool %s", pool); err != nil {
			return err
		}
	}
	return nil
}

func createServices(ctx context.Context, s *story) error {
	s.title("trading-api asks for the premium pool; the others ask for none")
	if _, err := s.run(ctx, "cat "+examples+"service-trading.yaml"); err != nil {
		return err
	}
	names := []string{"trading", "web-frontend", "admin-dashboard", "dev-app"}
	for _, name := range names {
		if _, err := s.run(ctx, fmt.Sprintf("kubectl apply -f %sdeployment-%s.yaml -f %sservice-%s.yaml", examples, name, examples, name)); err != nil {
			return err
		}
	}
	if _, err := s.run(ctx, "kubectl wait --for=condition=Available deployment --all --timeout=60s"); err != nil {
		return err
	}
	return s.settle(ctx, s.reachable)
}

// reachable returns what keeps the four Services from being used from outside.
func (s *story) reachable(ctx context.Context) error {
	services, err := s.services(ctx)
	if err != nil {
		return err
	}
	if err := unless(len(services) == 4, "there are %d Services, not 4", len(services)); err != nil {
		return err
	}
	for name, service := range services {
		addr := address(service)
		if err := unless(addr.IsValid(), "Service %s has no address", name); err != nil {
			return err
		}
		if err := s.fetch(addr, service.Spec.Ports[0].Port); err != nil {
			return err
		}
	}
	return nil
}

func verifyAllocation(ctx context.Context, s *story) error {
	s.title("Which pool each address came from")
	if _, err := s.run(ctx, "kubectl get svc -A -o wide | grep LoadBalancer"); err != nil {
		return err
	}
	services, err := s.services(ctx)
	if err != nil {
		return err
	}
	dev := netip.MustParsePrefix("192.168.200.0/24")
	for name, service := range services {
		addr := address(service)
		if name == "trading-api" {
			err = unless(premium(addr), "trading-api has %s, which is not in the premium pool", addr)
		} else {
			err = unless(dev.Contains(addr), "%s has %s, which is not in dev-ips, the first pool in the alphabet", name, addr)
		}
		if err != nil {
			return err
		}
	}
	out, err := s.run(ctx, "kubectl describe svc trading-api")
	if err != nil {
		return err
	}
	if err := unless(strings.Contains(out, "premium-ips"), "the description does not name the pool"); err != nil {
		return err
	}
	out, err = s.run(ctx, `kubectl logs -n metallb-system -l app=metallb,component=controller | grep "assigned"`)
	if err != nil {
		return err
	}
	for name, service := range services {
		if err := unless(strings.Contains(out, name) && strings.Contains(out, address(service).String()), "no log line says what was assigned to %s", name); err != nil {
			return err
		}
	}
	return nil
}

// premium reports whether an address is one of the six of the premium pool.
func premium(addr netip.Addr) bool {
	first, last := netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("198.51.100.15")
	return !addr.Less(first) && !last.Less(addr)
}

func useAddresses(ctx context.Context, s *story) error {
	s.title("A client on the segment uses them")
	services, err := s.services(ctx)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		addr, port := address(services[name]), services[name].Spec.Ports[0].Port
		out, err := s.onClient(ctx, fmt.Sprintf("curl -s -m 5 http://%s", netip.AddrPortFrom(addr, uint16(port))))
		if err != nil {
			return err
		}
		if err := unless(strings.HasPrefix(out, name+"-"), "%s is answered by %q", addr, out); err != nil {
			return err
		}
	}
	s.say("the client resolved each address itself; its neighbour table names the node that answers")
	if _, err = s.onClient(ctx, "ip neigh show nud reachable nud stale nud delay nud probe"); err != nil {
		return err
	}
	neighbours, err := s.lab.Client().Neighbours()
	if err != nil {
		return err
	}
	for name, service := range services {
		addr := address(service)
		at := slices.IndexFunc(neighbours, func(n network.Neighbour) bool { return n.Addr == addr })
		if err := unless(at >= 0 && s.isNode(neighbours[at].MAC), "the client does not have the address of %s, %s, at a node", name, addr); err != nil {
			return err
		}
	}
	return nil
}

// isNode reports whether a hardware address is that of a node.
func (s *story) isNode(mac net.HardwareAddr) bool {
	return slices.ContainsFunc(s.lab.Nodes(), func(n *lab.Node) bool { return bytes.Equal(n.Host().MAC(), mac) })
}

func (s *story) fetch(addr netip.Addr, port int32) error {
	response, err := s.lab.Client().HTTPClient(time.Second).Get("http://" + netip.AddrPortFrom(addr, uint16(port)).String())
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// watchTheWire asks for every address afresh and looks who answers, inside the switch.
func watchTheWire(ctx context.Context, s *story) error {
	s.title("Exactly one node answers for each address")
	services, err := s.services(ctx)
	if err != nil {
		return err
	}
	sender, err := frames.NewSender(s.lab.Client())
	if err != nil {
		return err
	}
	defer sender.Close() //nolint:errcheck // nothing is sent any more
	for _, name := range slices.Sorted(maps.Keys(services)) {
		addr := address(services[name])
		capture, err := frames.Watch(s.lab.Switch())
		if err != nil {
			return err
		}
		if err := sender.Ask(addr); err != nil {
			return err
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
		}
		records, err := capture.Stop()
		if err != nil {
			return err
		}
		answers := frames.Answers(records, addr)
		for _, answer := range answers {
			s.show(fmt.Sprintf("  who has %-14s  %s: %s is at %s\n", addr, answer.Port, addr, answer.Link))
		}
		if err := unless(len(answers) == 1, "%d answers to one question for %s", len(answers), addr); err != nil {
			return err
		}
	}
	return nil
}

func exhaustPremium(ctx context.Context, s *story) error {
	s.title("The premium pool has six addresses; seven Services want one")
	_, err := s.run(ctx, `for n in 2 3 4 5 6 7; do sed "s/name: trading-api/name: trading-api-$n/" `+examples+`service-trading.yaml | kubectl apply -f -; done`)
	if err != nil {
		return err
	}
	var pending string
	err = s.settle(ctx, func(ctx context.Context) error {
		services, err := s.services(ctx)
		if err != nil {
			return err
		}
		var without []string
		for name, service := range services {
			if !address(service).IsValid() {
				without = append(without, name)
			}
		}
		if err := unless(len(services) == 10 && len(without) == 1, "%d of %d Services are pending: %v", len(without), len(services), without); err != nil {
			return err
		}
		pending = without[0]
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := s.run(ctx, "kubectl get svc | grep trading-api"); err != nil {
		return err
	}
	s.say("one stays Pending, and says why")
	var out string
	err = s.settle(ctx, func(ctx context.Context) error {
		out, err = s.lab.Kubectl(ctx, "describe", "svc", pending)
		if err != nil {
			return err
		}
		return unless(strings.Contains(out, "Warning") && strings.Contains(out, "AllocationFailed"), "no Event says why %s is pending", pending)
	})
	if err != nil {
		return err
	}
	_, err = s.run(ctx, "kubectl describe svc "+pending+" | sed -n '/^Events/,$p'")
	return err
}

func cleanUp(ctx context.Context, s *story) error {
	s.title("Deleting a pool")
	before, err := s.services(ctx)
	if err != nil {
		return err
	}
	if _, err := s.run(ctx, "kubectl delete ipaddresspool premium-ips -n metallb-system"); err != nil {
		return err
	}
	out, err := s.run(ctx, "kubectl get ipaddresspool -n metallb-system")
	if err != nil {
		return err
	}
	if err := unless(!strings.Contains(out, "premium-ips"), "the pool is still there"); err != nil {
		return err
	}
	s.say("whoever has an address from another pool keeps it")
	if _, err := s.run(ctx, "kubectl get svc"); err != nil {
		return err
	}
	for name, service := range before {
		addr := address(service)
		if !addr.IsValid() || premium(addr) {
			continue
		}
		after, err := s.services(ctx)
		if err != nil {
			return err
		}
		if err := unless(address(after[name]) == addr, "%s had %s and has %s", name, addr, address(after[name])); err != nil {
			return err
		}
		if err := s.fetch(addr, service.Spec.Ports[0].Port); err != nil {
			return err
		}
	}
	return nil
}
