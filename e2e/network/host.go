package network

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// device is the name that every host's interface to its switch is born with.
const device = "eth0"

// HostOptions describe a host on a switch.
type HostOptions struct {
	Name      string           // also the name of its switch port; at most 15 bytes
	MAC       net.HardwareAddr // of eth0; nil lets the kernel choose one
	Addresses []netip.Prefix   // of eth0
	Gateways  []netip.Addr     // default routes, at most one per family
	Forward   bool             // the host forwards packets, as nodes and routers do
}

// Host is a machine on the segment: a namespace with one interface, eth0 unless RestartLink names it otherwise.
type Host struct {
	*Namespace
	sw      *Switch
	options HostOptions
	device  string // the name of its interface now
}

// NewHost makes a host and plugs it into the switch.
func NewHost(sw *Switch, options HostOptions) (*Host, error) {
	ns, err := NewNamespace(options.Name)
	if err != nil {
		return nil, err
	}
	h := &Host{Namespace: ns, sw: sw, options: options, device: device}
	if err := h.configure(); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

func (h *Host) configure() error {
	forward := "0"
	if h.options.Forward {
		forward = "1"
	}
	// Set before any interface exists, so that eth0 inherits "default". Duplicate address detection and router discovery would
	// only delay a host whose addresses are chosen here.
	for _, setting := range [][2]string{
		{"net.ipv6.conf.default.accept_dad", "0"},
		{"net.ipv6.conf.default.dad_transmits", "0"},
		{"net.ipv6.conf.default.accept_ra", "0"},
		{"net.ipv6.conf.default.router_solicitations", "0"},
		{"net.ipv4.conf.all.rp_filter", "0"},
		{"net.ipv4.conf.default.rp_filter", "0"},
		{"net.ipv4.ip_forward", forward},
		{"net.ipv6.conf.all.forwarding", forward},
		{"net.ipv6.conf.default.forwarding", forward},
	} {
		if err := h.Sysctl(setting[0], setting[1]); err != nil {
			return err
		}
	}
	if err := h.sw.plug(h.options.Name, h.Namespace, h.device, h.options.MAC); err != nil {
		return err
	}
	if err := h.give(h.device, h.options.Addresses); err != nil {
		return err
	}
	if err := h.up(h.device); err != nil {
		return err
	}
	if err := h.waitUp(); err != nil {
		return err
	}
	for _, gateway := range h.options.Gateways {
		everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if gateway.Is6() {
			everything = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		if err := h.AddRoute(everything, gateway); err != nil {
			return err
		}
	}
	return nil
}

// Connect lays another cable, from a new interface of the host to a switch, where its port is called after both: "tor-eth1". To another
// switch it makes a router, to the same one a host with two network cards.
func (h *Host) Connect(sw *Switch, name string, addresses []netip.Prefix) error {
	if err := sw.plug(h.name+"-"+name, h.Namespace, name, nil); err != nil {
		return err
	}
	if err := h.give(name, addresses); err != nil {
		return err
	}
	return h.up(name)
}

// waitUp waits until both ends of the cable are operational and eth0's IPv6 addresses can be used. The kernel notices a carrier in the
// background, up to a second after it came, and loses what is sent before.
func (h *Host) waitUp() error {
	for range 500 {
		up, err := h.isUp()
		if err != nil {
			return fmt.Errorf("network: failed to see whether the cable of %s is up: %w", h.name, err)
		}
		if up {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("network: the cable of %s does not come up", h.name)
}

func (h *Host) isUp() (bool, error) {
	near, err := h.links.LinkByName(h.device)
	if err != nil {
		return false, err
	}
	far, err := h.sw.links.LinkByName(h.name)
	if err != nil {
		return false, err
	}
	if near.Attrs().OperState != netlink.OperUp || far.Attrs().OperState != netlink.OperUp {
		return false, nil
	}
	addresses, err := h.links.AddrList(near, netlink.FAMILY_V6)
	if err != nil {
		return false, err
	}
	linkLocal := false // the kernel's own, made when IPv6 starts on the link
	for _, address := range addresses {
		if address.Flags&unix.IFA_F_TENTATIVE != 0 {
			return false, nil
		}
		linkLocal = linkLocal || address.IP.IsLinkLocalUnicast()
	}
	return linkLocal, nil
}

// AddRoute sends packets for prefix through via, or, when via is the zero Addr, onto the segment itself: then the host
// resolves every address in prefix by ARP or NDP. A route that exists is replaced.
func (h *Host) AddRoute(prefix netip.Prefix, via netip.Addr) error {
	link, err := h.links.LinkByName(h.device)
	if err == nil {
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(prefix)}
		if via.IsValid() {
			route.Gw = via.AsSlice()
		} else if prefix.Addr().Is4() {
			route.Scope = netlink.SCOPE_LINK
		}
		err = h.links.RouteReplace(route)
	}
	if err != nil {
		return fmt.Errorf("network: failed to route %s through %s in %s: %w", prefix, via, h.name, err)
	}
	return nil
}

func (h *Host) link(device string) (netlink.Link, error) {
	link, err := h.links.LinkByName(device)
	if err != nil {
		return nil, fmt.Errorf("network: failed to find %s of %s: %w", device, h.name, err)
	}
	return link, nil
}

// give gives an interface addresses.
func (h *Host) give(device string, addresses []netip.Prefix) error {
	link, err := h.link(device)
	if err != nil {
		return err
	}
	for _, prefix := range addresses {
		if err := h.links.AddrAdd(link, &netlink.Addr{IPNet: ipNet(prefix)}); err != nil {
			return fmt.Errorf("network: failed to give %s the address %s: %w", h.name, prefix, err)
		}
	}
	return nil
}

// MAC returns the hardware address of eth0.
func (h *Host) MAC() net.HardwareAddr { return h.options.MAC }

// Index returns the interface index of eth0.
func (h *Host) Index() (int, error) {
	link, err := h.link(h.device)
	if err != nil {
		return 0, err
	}
	return link.Attrs().Index, nil
}

// Address returns the host's first address of the family.
func (h *Host) Address(v6 bool) netip.Addr {
	for _, prefix := range h.options.Addresses {
		if prefix.Addr().Is6() == v6 {
			return prefix.Addr()
		}
	}
	return netip.Addr{}
}

// CutCable takes the carrier away from eth0, at once and for both directions.
func (h *Host) CutCable() error { return h.sw.setPort(h.name, false) }

// PlugCable undoes CutCable, and returns when the link is up.
func (h *Host) PlugCable() error {
	if err := h.sw.setPort(h.name, true); err != nil {
		return err
	}
	return h.waitUp()
}

// HTTPClient returns a client whose connections start at this host. It keeps none of them for a second request, so each request
// tests the path anew.
func (h *Host) HTTPClient(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{DialContext: h.DialContext, DisableKeepAlives: true},
	}
}

// Neighbour is an entry of a host's ARP or NDP cache.
type Neighbour struct {
	Addr  netip.Addr
	MAC   net.HardwareAddr // nil while unresolved
	State string           // as ip-neighbour(8) says it: REACHABLE, STALE, DELAY, PROBE, FAILED, INCOMPLETE, PERMANENT
}

// Neighbours returns the neighbour cache of eth0, both families, in no particular order.
func (h *Host) Neighbours() ([]Neighbour, error) {
	link, err := h.link(h.device)
	if err != nil {
		return nil, err
	}
	var all []Neighbour
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		entries, err := h.links.NeighList(link.Attrs().Index, family)
		if err != nil {
			return nil, fmt.Errorf("network: failed to read the neighbours of %s: %w", h.name, err)
		}
		for _, entry := range entries {
			if addr, ok := netip.AddrFromSlice(entry.IP); ok && entry.State != netlink.NUD_NOARP {
				all = append(all, Neighbour{Addr: addr.Unmap(), MAC: entry.HardwareAddr, State: stateName(entry.State)})
			}
		}
	}
	return all, nil
}

// ForgetNeighbours empties the neighbour cache of eth0, so that the next packet resolves again.
func (h *Host) ForgetNeighbours(ctx context.Context) error {
	_, err := h.Exec(ctx, "ip", "neigh", "flush", "dev", h.device)
	return err
}

func stateName(state int) string {
	names := map[int]string{
		netlink.NUD_INCOMPLETE: "INCOMPLETE", netlink.NUD_REACHABLE: "REACHABLE", netlink.NUD_STALE: "STALE",
		netlink.NUD_DELAY: "DELAY", netlink.NUD_PROBE: "PROBE", netlink.NUD_FAILED: "FAILED", netlink.NUD_PERMANENT: "PERMANENT",
	}
	if name, ok := names[state]; ok {
		return name
	}
	return "NONE"
}

//nolint:forbidigo // netlink wants it so
func ipNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
}
