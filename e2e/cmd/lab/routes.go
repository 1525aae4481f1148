package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/clarion-lb/clarion/e2e/lab"
	"github.com/clarion-lb/clarion/e2e/router"
)

const topOfRack = "examples/top-of-rack/"

// routeThroughRouter is the second act: the same cluster, an address that no segment has, and a router that is told of it.
func routeThroughRouter(ctx context.Context, s *story) error {
	s.title("Second act: an address behind a top-of-rack router, by BGP")
	config, err := os.ReadFile(filepath.Join(s.root, topOfRack, "frr.conf"))
	if err != nil {
		return fmt.Errorf("failed to read the router's configuration: %w", err)
	}
	s.say("the router runs FRR with " + topOfRack + "frr.conf")
	frr, err := router.StartFRR(ctx, s.lab.Router(), string(config))
	if err != nil {
		return err
	}
	defer frr.Stop(context.WithoutCancel(ctx))
	// Connections are spread over the next hops, not only clients.
	if err := s.lab.Router().Sysctl("net.ipv4.fib_multipath_hash_policy", "1"); err != nil {
		return err
	}
	for _, command := range []string{
		"cat " + topOfRack + "bgppeer.yaml",
		"kubectl apply -f " + topOfRack,
		"kubectl wait --for=condition=Available deployment shop --timeout=60s",
	} {
		if _, err := s.run(ctx, command); err != nil {
			return err
		}
	}
	addr, err := s.routed(ctx, frr)
	if err != nil {
		return err
	}
	if err := s.showRoutes(ctx, frr, addr); err != nil {
		return err
	}
	s.say("a host on another network, behind the router")
	for range 3 {
		if _, err := s.runOn(ctx, s.lab.Remote(), "remote$ ", fmt.Sprintf("curl -s -m 5 http://%s", addr)); err != nil {
			return err
		}
	}
	return s.loseNode(ctx, frr, addr)
}

// routed waits until the router forwards the address of Service shop to all three nodes and watches each of them, and returns it.
func (s *story) routed(ctx context.Context, frr *router.FRR) (netip.Addr, error) {
	var addr netip.Addr
	err := s.settle(ctx, func(ctx context.Context) error {
		services, err := s.services(ctx)
		if err != nil {
			return err
		}
		addr = address(services["shop"])
		if err := unless(addr.IsValid(), "Service shop has no address"); err != nil {
			return err
		}
		hops, err := s.nextHops(addr)
		if err != nil {
			return err
		}
		if err := unless(len(hops) == len(s.lab.Nodes()), "the router has %d next hops for %s", len(hops), addr); err != nil {
			return err
		}
		watched, err := frr.BFDPeers(ctx)
		if err != nil {
			return err
		}
		for _, hop := range hops {
			if err := unless(watched[hop].Up(), "BFD to %s is not up", hop); err != nil {
				return err
			}
		}
		for range hops { // and what is behind each is there
			if err := lab.Fetch(s.lab.Remote().HTTPClient(time.Second), "http://"+addr.String())(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return addr, err
}

func (s *story) nextHops(addr netip.Addr) ([]netip.Addr, error) {
	routes, err := s.lab.Router().Routes()
	if err != nil {
		return nil, err
	}
	return routes[netip.PrefixFrom(addr, addr.BitLen())].Gateways, nil
}

func (s *story) showRoutes(ctx context.Context, frr *router.FRR, addr netip.Addr) error {
	for _, command := range []string{"show bgp summary", "show bfd peers brief"} {
		s.show(s.bold("tor# "+command) + "\n")
		out, err := frr.Vtysh(ctx, command)
		if err != nil {
			return err
		}
		s.show(strings.TrimSpace(out) + "\n")
	}
	_, err := s.runOn(ctx, s.lab.Router(), "tor$ ", fmt.Sprintf("ip route show %s", addr))
	return err
}

// loseNode takes the power of one of the next hops.
func (s *story) loseNode(ctx context.Context, frr *router.FRR, addr netip.Addr) error {
	node := s.lab.Nodes()[1]
	gateway := node.Host().Address(false)
	s.title("A node loses power")
	watch, err := s.lab.Router().WatchRoutes()
	if err != nil {
		return err
	}
	defer watch.Stop()
	s.say(node.Name() + " is gone: no word, no FIN, no last packet")
	struck := time.Now()
	if err := node.Kill(); err != nil {
		return err
	}
	err = s.settle(ctx, func(context.Context) error {
		hops, err := s.nextHops(addr)
		if err != nil {
			return err
		}
		if slices.Contains(hops, gateway) {
			return fmt.Errorf("the router still forwards to %s", node.Name())
		}
		return unless(len(hops) == len(s.lab.Nodes())-1, "the router has %d next hops for %s", len(hops), addr)
	})
	if err != nil {
		return err
	}
	events, err := watch.Events()
	if err != nil {
		return err
	}
	for _, event := range events {
		if event.Route.Prefix.Addr() == addr {
			s.say(fmt.Sprintf("the router's kernel stopped using it after %s", event.At.Sub(struck).Round(time.Millisecond)))
			break
		}
	}
	if err := s.showRoutes(ctx, frr, addr); err != nil {
		return err
	}
	for range 3 {
		if _, err := s.runOn(ctx, s.lab.Remote(), "remote$ ", fmt.Sprintf("curl -s -m 5 http://%s", addr)); err != nil {
			return err
		}
	}
	return nil
}
