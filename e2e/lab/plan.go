package lab

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// The numbers of the network. Pods and Services use the ranges that kubeadm's documentation does, which never leave a cluster.
const (
	routerNumber       = 1
	controlPlaneNumber = 2
	firstNodeNumber    = 11
	clientNumber       = 100
	remoteNumber       = 101

	// maxNodes keeps node numbers below the client's.
	maxNodes = 26
)

// segmentAddresses returns a host's address in both families. A number reads the same in decimal and in hexadecimal.
func segmentAddresses(number int) []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix(fmt.Sprintf("192.0.2.%d/24", number)),
		netip.MustParsePrefix(fmt.Sprintf("2001:db8:0:1::%d/64", number)),
	}
}

// remoteAddresses returns an address on the network behind the router, in both families.
func remoteAddresses(number int) []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix(fmt.Sprintf("203.0.113.%d/25", 128+number)),
		netip.MustParsePrefix(fmt.Sprintf("2001:db8:0:ff::%d/64", number)),
	}
}

// segmentMAC returns a host's hardware address, from the range for documentation (RFC 7042 section 2.1.2).
func segmentMAC(number int) net.HardwareAddr {
	return net.HardwareAddr{0x00, 0x00, 0x5e, 0x00, 0x53, byte(number)}
}

// podCIDRs returns the Pod networks of a node, counted from 0.
func podCIDRs(node int) []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix(fmt.Sprintf("10.244.%d.0/24", node+1)),
		netip.MustParsePrefix(fmt.Sprintf("2001:db8:244:%d::/64", node+1)),
	}
}

// clusterCIDRs contain the Pod networks of all nodes.
func clusterCIDRs() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("2001:db8:244::/48")}
}

func serviceCIDRs() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16"), netip.MustParsePrefix("2001:db8:96::/112")}
}

// apiService is the ClusterIP of the Service named kubernetes.
func apiService() netip.AddrPort { return netip.AddrPortFrom(serviceCIDRs()[0].Addr().Next(), 443) }

// LoadBalancerPrefixes returns the prefixes that the client looks for on the segment itself, as it would in a flat network: the four
// of the guide on multiple pools, and one for IPv6. A test with addresses elsewhere adds a route: Client().AddRoute(prefix, netip.Addr{}).
func LoadBalancerPrefixes() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("203.0.113.0/28"),
		netip.MustParsePrefix("10.10.50.0/24"),
		netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("192.168.200.0/24"),
		netip.MustParsePrefix("2001:db8:0:2::/64"),
	}
}

// nodeName returns the name of a node, counted from 0: node-a, node-b, …
func nodeName(node int) string { return "node-" + string(rune('a'+node)) }

func join(prefixes []netip.Prefix) string {
	words := make([]string, len(prefixes))
	for i, prefix := range prefixes {
		words[i] = prefix.String()
	}
	return strings.Join(words, ",")
}
