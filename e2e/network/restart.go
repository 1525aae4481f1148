package network

import (
	"fmt"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// RestartLink takes the host's interface down, waits, and brings it up again under a name, which is its own from then on. What the
// kernel forgets with a link that goes down, its IPv6 addresses and the routes through it, is put back, as a network manager does.
func (h *Host) RestartLink(down time.Duration, name string) error {
	link, err := h.link(h.device)
	if err != nil {
		return err
	}
	forgotten, err := h.forgettable(link)
	if err == nil {
		err = h.links.LinkSetDown(link)
	}
	if err == nil {
		time.Sleep(down)
		err = h.links.LinkSetName(link, name)
	}
	if err != nil {
		return fmt.Errorf("network: failed to restart %s of %s: %w", h.device, h.name, err)
	}
	h.device = name
	if err := h.up(name); err != nil {
		return err
	}
	return h.remember(link, forgotten)
}

// memory is what the kernel forgets of a link that goes down.
type memory struct {
	addresses []netlink.Addr
	routes    []netlink.Route
}

func (h *Host) forgettable(link netlink.Link) (m memory, err error) {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		routes, err := h.links.RouteList(link, family)
		if err != nil {
			return memory{}, err
		}
		for _, route := range routes {
			if route.Protocol != unix.RTPROT_KERNEL { // which comes back with its address
				m.routes = append(m.routes, route)
			}
		}
	}
	addresses, err := h.links.AddrList(link, netlink.FAMILY_V6)
	for _, address := range addresses {
		if !address.IP.IsLinkLocalUnicast() { // the kernel's own
			m.addresses = append(m.addresses, netlink.Addr{IPNet: address.IPNet})
		}
	}
	return m, err
}

func (h *Host) remember(link netlink.Link, m memory) error {
	for i := range m.addresses {
		if err := h.links.AddrReplace(link, &m.addresses[i]); err != nil {
			return fmt.Errorf("network: failed to give %s the address %s again: %w", h.name, m.addresses[i].IPNet, err)
		}
	}
	if err := h.waitUp(); err != nil { // no route goes through a tentative address
		return err
	}
	for i := range m.routes {
		if err := h.links.RouteReplace(&m.routes[i]); err != nil {
			return fmt.Errorf("network: failed to give %s the route to %s again: %w", h.name, m.routes[i].Dst, err)
		}
	}
	return nil
}
