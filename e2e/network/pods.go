package network

import (
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/vishvananda/netlink"
)

// PodNetwork gives Pods on one host a namespace each, joined to the host by a routed point-to-point link. A Pod has its addresses
// alone on its link, so whatever it sends, to a Pod next to it too, passes through the host's forwarding and its kube-proxy.
type PodNetwork struct {
	host     *Host
	prefixes []netip.Prefix

	mu   sync.Mutex
	used map[int]bool // offsets into every prefix alike
	last int
}

// Pod is one Pod's attachment.
type Pod struct {
	*Namespace
	Addresses []netip.Addr // one per prefix of the network
	offset    int
}

// NewPodNetwork prepares the host for Pods with addresses from the prefixes, at most one of each family. The first IPv4 address is
// the host's own, and the Pods' gateway; in IPv6 the gateway is the link-local address podGateway.
func NewPodNetwork(host *Host, prefixes []netip.Prefix) (*PodNetwork, error) {
	lo, err := host.links.LinkByName("lo")
	if err != nil {
		return nil, fmt.Errorf("network: failed to prepare %s for pods: %w", host.name, err)
	}
	for _, prefix := range prefixes {
		if !prefix.Addr().Is4() {
			continue
		}
		gateway := prefix.Addr().Next()
		if err := host.links.AddrAdd(lo, &netlink.Addr{IPNet: single(gateway)}); err != nil {
			return nil, fmt.Errorf("network: failed to give %s the pod gateway %s: %w", host.name, gateway, err)
		}
	}
	return &PodNetwork{host: host, prefixes: prefixes, used: map[int]bool{}, last: 1}, nil
}

// Attach makes the namespace of a Pod. The name appears in `ip netns`.
func (n *PodNetwork) Attach(name string) (*Pod, error) {
	pod := &Pod{}
	if err := n.reserve(pod); err != nil {
		return nil, err
	}
	var err error
	if pod.Namespace, err = NewNamespace(name); err != nil {
		n.release(pod)
		return nil, err
	}
	if err := n.connect(pod); err != nil {
		n.Detach(pod)
		return nil, fmt.Errorf("network: failed to connect pod %s to %s: %w", name, n.host.name, err)
	}
	return pod, nil
}

// Detach removes a Pod's link and lets go of its namespace and addresses.
func (n *PodNetwork) Detach(pod *Pod) {
	// A failure means that the link is gone already, with the processes of the namespace.
	if link, err := n.host.links.LinkByName(hostEnd(pod.offset)); err == nil {
		_ = n.host.links.LinkDel(link)
	}
	pod.Close()
	n.release(pod)
}

// reserve picks addresses that have been free the longest, since others may still have the last owner's in mind.
func (n *PodNetwork) reserve(pod *Pod) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	const first, last = 2, 250 // after the gateway; more than a kubelet's 110 Pods, and within a /24
	for range last {
		if n.last++; n.last > last {
			n.last = first
		}
		if !n.used[n.last] {
			n.used[n.last] = true
			pod.offset = n.last
			for _, prefix := range n.prefixes {
				pod.Addresses = append(pod.Addresses, nth(prefix.Addr(), n.last))
			}
			return nil
		}
	}
	return fmt.Errorf("network: %s has no free pod address", n.host.name)
}

func (n *PodNetwork) release(pod *Pod) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.used, pod.offset)
}

func (n *PodNetwork) connect(pod *Pod) error {
	for _, setting := range [][2]string{{"net.ipv6.conf.default.accept_dad", "0"}, {"net.ipv6.conf.default.accept_ra", "0"}} {
		if err := pod.Sysctl(setting[0], setting[1]); err != nil {
			return err
		}
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name = hostEnd(pod.offset)
	wire := &netlink.Veth{LinkAttrs: attributes, PeerName: device, PeerNamespace: netlink.NsFd(pod.handle)}
	if err := n.host.links.LinkAdd(wire); err != nil {
		return err
	}
	inside, err := pod.links.LinkByName(device)
	if err != nil {
		return err
	}
	if err := n.host.links.AddrAdd(wire, &netlink.Addr{IPNet: ipNet(netip.PrefixFrom(podGateway(), 64))}); err != nil {
		return err
	}
	if err := n.host.links.LinkSetUp(wire); err != nil {
		return err
	}
	if err := pod.links.LinkSetUp(inside); err != nil {
		return err
	}
	for i, addr := range pod.Addresses {
		if err := pod.links.AddrAdd(inside, &netlink.Addr{IPNet: single(addr)}); err != nil {
			return err
		}
		gateway := podGateway()
		if addr.Is4() {
			gateway = n.prefixes[i].Addr().Next()
		}
		out := &netlink.Route{
			LinkIndex: inside.Attrs().Index, Dst: ipNet(netip.PrefixFrom(gateway, 0).Masked()), Gw: gateway.AsSlice(),
			Flags: int(netlink.FLAG_ONLINK), // the gateway is not within the Pod's own single-address prefix
		}
		if err := pod.links.RouteReplace(out); err != nil {
			return fmt.Errorf("default route: %w", err)
		}
		back := &netlink.Route{LinkIndex: wire.Attrs().Index, Dst: single(addr)}
		if addr.Is4() {
			back.Scope = netlink.SCOPE_LINK
		}
		if err := n.host.links.RouteReplace(back); err != nil {
			return fmt.Errorf("route to %s: %w", addr, err)
		}
	}
	return nil
}

// podGateway is the same on every Pod's link. A global address on the host's loopback would not do: unlike ARP, neighbour discovery
// answers only for addresses of the interface asked on (RFC 4861 section 7.2.4).
func podGateway() netip.Addr { return netip.MustParseAddr("fe80::1") }

// hostEnd names a Pod's link on the host. CNI plugins use the prefix veth too, which load balancers know to leave alone.
func hostEnd(offset int) string { return fmt.Sprintf("veth%d", offset) }

//nolint:forbidigo // netlink wants it so
func single(addr netip.Addr) *net.IPNet { return ipNet(netip.PrefixFrom(addr, addr.BitLen())) }

// nth returns the address n after base.
func nth(base netip.Addr, n int) netip.Addr {
	bytes := base.AsSlice()
	for i := len(bytes) - 1; i >= 0 && n > 0; i-- {
		n += int(bytes[i])
		bytes[i] = byte(n)
		n >>= 8
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return addr
}
