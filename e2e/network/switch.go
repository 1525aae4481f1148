package network

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/vishvananda/netlink"
)

const bridge = "br0"

// Switch is a layer-2 switch: a Linux bridge in a namespace of its own. It snoops multicast as real switches do, so a host that
// forgets to join the group of an IPv6 address does not hear solicitations for it.
type Switch struct {
	*Namespace

	mu   sync.Mutex
	cuts map[int]cutRule
	next int
}

// NewSwitch makes a switch without ports. A name is needed because one sandbox may hold several.
func NewSwitch(ctx context.Context, name string) (*Switch, error) {
	ns, err := NewNamespace(name)
	if err != nil {
		return nil, err
	}
	s := &Switch{Namespace: ns, cuts: map[int]cutRule{}}
	for _, command := range [][]string{
		{"link", "add", bridge, "type", "bridge", "stp_state", "0", "forward_delay", "0"},
		{"link", "set", bridge, "up"},
		// A snooping switch needs a querier on the segment, or memberships time out. Its first queries come fast, so that hosts
		// plugged in during start-up are heard.
		{
			"link", "set", bridge, "type", "bridge", "mcast_snooping", "1", "mcast_querier", "1", "mcast_mld_version", "2",
			"mcast_startup_query_interval", "100", "mcast_startup_query_count", "30",
		},
	} {
		if _, err := ns.Exec(ctx, "ip", command...); err != nil {
			ns.Close()
			return nil, err
		}
	}
	return s, nil
}

// plug lays a cable from a new port of the switch, named port, to device in the namespace far. Whatever was plugged into a
// port of that name is unplugged first.
func (s *Switch) plug(port string, far *Namespace, device string, mac net.HardwareAddr) error {
	if old, err := s.links.LinkByName(port); err == nil {
		if err := s.links.LinkDel(old); err != nil {
			return fmt.Errorf("network: failed to unplug port %s: %w", port, err)
		}
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name = port
	cable := &netlink.Veth{
		LinkAttrs: attributes, PeerName: device, PeerHardwareAddr: mac, PeerNamespace: netlink.NsFd(far.handle),
	}
	if err := s.links.LinkAdd(cable); err != nil {
		return fmt.Errorf("network: failed to lay a cable from port %s to %s: %w", port, far.name, err)
	}
	master, err := s.links.LinkByName(bridge)
	if err == nil {
		err = s.links.LinkSetMaster(cable, master)
	}
	if err == nil {
		// The port itself is no host: no IPv6 of its own, so that it never speaks.
		err = s.Sysctl("net.ipv6.conf."+port+".disable_ipv6", "1")
	}
	if err == nil {
		err = s.links.LinkSetUp(cable)
	}
	if err != nil {
		return fmt.Errorf("network: failed to attach port %s: %w", port, err)
	}
	return nil
}

// setPort switches a port on or off. The host at the far end sees its carrier come or go.
func (s *Switch) setPort(port string, on bool) error {
	link, err := s.links.LinkByName(port)
	if err == nil && on {
		err = s.links.LinkSetUp(link)
	}
	if err == nil && !on {
		err = s.links.LinkSetDown(link)
	}
	if err != nil {
		return fmt.Errorf("network: failed to switch port %s: %w", port, err)
	}
	return nil
}

// Ports returns the interface index of every port by name.
func (s *Switch) Ports() (map[string]int, error) {
	links, err := s.links.LinkList()
	if err != nil {
		return nil, fmt.Errorf("network: failed to list the ports of %s: %w", s.name, err)
	}
	ports := map[string]int{}
	for _, link := range links {
		if link.Attrs().MasterIndex != 0 {
			ports[link.Attrs().Name] = link.Attrs().Index
		}
	}
	return ports, nil
}
