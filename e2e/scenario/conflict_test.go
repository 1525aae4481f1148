//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/clarion-lb/clarion/e2e/frames"
	"github.com/clarion-lb/clarion/e2e/network"
)

// conflictPool gives out a prefix to one namespace.
const conflictPool = `---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: conflict, namespace: metallb-system}
spec:
  addresses: [%s]
  serviceAllocation: {namespaces: [%s]}
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: conflict, namespace: metallb-system}
spec: {ipAddressPools: [conflict]}
`

// disputedService is a Service of one family in front of the Pods of
// webWorkload, with annotations.
const disputedService = `---
apiVersion: v1
kind: Service
metadata: {name: %s, annotations: {%s}}
spec:
  type: LoadBalancer
  ipFamilies: [%s]
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
`

// squatter is a host on the segment that uses an address of the pool, and does
// not ask. It leaves with the test.
func squatter(t *testing.T, addr netip.Addr) *network.Host {
	t.Helper()
	host, err := network.NewHost(cluster.Switch(), network.HostOptions{
		Name: "squatter", MAC: net.HardwareAddr{0x00, 0x00, 0x5e, 0x00, 0x53, 0xc8},
		Addresses: []netip.Prefix{
			netip.MustParsePrefix("192.0.2.200/24"), netip.MustParsePrefix("2001:db8:0:1::200/64"), netip.PrefixFrom(addr, addr.BitLen()),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(host.Close)
	return host
}

// usurp has a host claim an address that is another's, as one does that has just
// been given it by hand.
func usurp(t *testing.T, host *network.Host, addr netip.Addr) {
	t.Helper()
	// With this the kernel announces new addresses, if they are IPv6.
	if err := host.Sysctl("net.ipv6.conf.eth0.ndisc_notify", "1"); err != nil {
		t.Fatal(err)
	}
	if _, err := host.Exec(t.Context(), "ip", "address", "add", netip.PrefixFrom(addr, addr.BitLen()).String(), "dev", "eth0"); err != nil {
		t.Fatal(err)
	}
	if addr.Is6() {
		return
	}
	sender, err := frames.NewSender(host)
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()     //nolint:errcheck // nothing is sent any more
	const senderAddress = 28 // its octet in an ARP frame
	frame := sender.Question(addr)
	copy(frame[senderAddress:], addr.AsSlice())
	if err := sender.Send(frame); err != nil {
		t.Fatal(err)
	}
}

// quarantine returns what the status of the pool lists.
func quarantine(ctx context.Context) (string, error) {
	return cluster.Kubectl(ctx, "-n", "metallb-system", "get", "ipaddresspool", "conflict", "-o",
		`jsonpath={range .status.quarantined[*]}{.address} {.mac};{end}`)
}

// TestConflict defends P2 and P7: an address that another host uses is given to
// nobody; a Service that has it moves if it did not ask for it, and is told; one
// that asked for it keeps it, and it is defended.
func TestConflict(t *testing.T) {
	for family, pool := range map[string]string{"IPv4": "198.51.100.80/30", "IPv6": "2001:db8:0:2::80/126"} {
		t.Run(family, func(t *testing.T) { testConflict(t, family, netip.MustParsePrefix(pool)) })
	}
}

func testConflict(t *testing.T, family string, pool netip.Prefix) {
	t.Helper()
	const mac = "00:00:5e:00:53:c8"
	first := pool.Addr()
	second, third, last := first.Next(), first.Next().Next(), first.Next().Next().Next()
	host := squatter(t, first)
	ns := namespace(t)
	apply(t, fmt.Sprintf(conflictPool, pool, ns))
	applyTo(t, ns, strings.Split(workload(3, "{}", "Cluster"), "---")[0])

	// Squatted before: what is in use is found out before it is announced.
	applyTo(t, ns, fmt.Sprintf(disputedService, "web", "", family))
	holds := func(service string, addr netip.Addr) {
		t.Helper()
		until(t, service+" holds "+addr.String(), func(ctx context.Context) (bool, error) {
			got, err := addresses(ctx, ns, service)
			return len(got) == 1 && got[0] == addr, err
		})
	}
	holds("web", second)
	until(t, "the pool has one address in quarantine", func(ctx context.Context) (bool, error) {
		out, err := quarantine(ctx)
		return out == first.String()+" "+mac+";", err
	})
	waitForAnswer(t, second, 80)

	// Squatted afterwards: who did not ask for the address leaves it.
	usurp(t, host, second)
	waitForEvent(t, ns+"/web", "AddressConflict", fmt.Sprintf("moved from %s to %s", second, third))
	waitForEvent(t, ns+"/web", "AddressConflict", mac)
	holds("web", third)
	waitForAnswer(t, third, 80)

	// Who asked for it keeps it, and its owner says whose it is.
	applyTo(t, ns, fmt.Sprintf(disputedService, "asks", fmt.Sprintf("metallb.io/loadBalancerIPs: %q", last), family))
	waitForAnswer(t, last, 80)
	records := watch(t, func() {
		usurp(t, host, last)
		waitForEvent(t, ns+"/asks", "AddressConflict", "defends it")
	})
	defended := false
	for _, r := range records {
		claimed, ok := r.Claim()
		defended = defended || ok && claimed == last && r.Gratuitous() && strings.HasPrefix(r.Port, "node-")
	}
	if !defended {
		t.Errorf("no node defended %s: %v", last, records)
	}
	until(t, "the condition of the Service says so", func(ctx context.Context) (bool, error) {
		out, err := cluster.Kubectl(ctx, "-n", ns, "get", "service", "asks", "-o",
			`jsonpath={.status.conditions[?(@.type=="metallb.io/RequestSatisfied")].reason}`)
		return out == "AddressConflict", err
	})
	holds("asks", last)
}
