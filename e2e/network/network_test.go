//nolint:paralleltest // the namespaces have fixed names
package network_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/clarion-lb/clarion/e2e/network"
	"github.com/clarion-lb/clarion/e2e/sandbox"
)

func TestMain(m *testing.M) {
	//nolint:forbidigo // it is the main function of the tests
	os.Exit(sandbox.Run(sandbox.Options{}, func(context.Context) int { return m.Run() }))
}

// segment makes a switch with hosts a, b and c.
func segment(t *testing.T) (*network.Switch, map[string]*network.Host) {
	t.Helper()
	sw, err := network.NewSwitch(t.Context(), "switch")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sw.Close)
	hosts := map[string]*network.Host{}
	for i, name := range []string{"a", "b", "c"} {
		hosts[name], err = network.NewHost(sw, network.HostOptions{
			Name: name,
			MAC:  net.HardwareAddr{0x00, 0x00, 0x5e, 0x00, 0x53, byte(i + 1)},
			Addresses: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("192.0.2.%d/24", i+1)),
				netip.MustParsePrefix(fmt.Sprintf("2001:db8:0:1::%d/64", i+1)),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(hosts[name].Close)
	}
	return sw, hosts
}

// reaches reports whether an echo request of the family from one host is answered by the other within a second.
func reaches(t *testing.T, from, to *network.Host, v6 bool) bool {
	t.Helper()
	protocol, request, reply := "ip4:icmp", icmp.Type(ipv4.ICMPTypeEcho), icmp.Type(ipv4.ICMPTypeEchoReply)
	number := 1
	if v6 {
		protocol, request, reply, number = "ip6:ipv6-icmp", ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply, 58
	}
	conn, err := from.DialContext(t.Context(), protocol, to.Address(v6).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // nothing is sent any more
	packet, err := (&icmp.Message{Type: request, Body: &icmp.Echo{ID: 7, Seq: 1}}).Marshal(nil)
	if err != nil {
		t.Fatal(err)
	}
	if v6 { // the kernel fills in the checksum
		packet[2], packet[3] = 0, 0
	}
	if _, err := conn.Write(packet); err != nil {
		return false
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 1500)
	for {
		n, _, err := conn.(net.PacketConn).ReadFrom(buffer) // unlike Read, leaves the IPv4 header out
		if err != nil {
			return false
		}
		if message, err := icmp.ParseMessage(number, buffer[:n]); err == nil && message.Type == reply {
			return true
		}
	}
}

func TestHostsReachEachOther(t *testing.T) {
	_, hosts := segment(t)
	for _, v6 := range []bool{false, true} {
		if !reaches(t, hosts["a"], hosts["b"], v6) {
			t.Errorf("a does not reach %s", hosts["b"].Address(v6))
		}
	}
	neighbours, err := hosts["a"].Neighbours()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, n := range neighbours {
		if !n.Addr.IsLinkLocalUnicast() {
			got[n.Addr.String()] = n.MAC.String()
		}
	}
	want := map[string]string{"192.0.2.2": "00:00:5e:00:53:02", "2001:db8:0:1::2": "00:00:5e:00:53:02"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("neighbours of a (-want +got):\n%s", diff)
	}
}

func TestCutCableTakesTheCarrierAway(t *testing.T) {
	_, hosts := segment(t)
	if err := hosts["b"].CutCable(); err != nil {
		t.Fatal(err)
	}
	if reaches(t, hosts["a"], hosts["b"], false) {
		t.Error("a reaches b over a cut cable")
	}
	if out, err := hosts["b"].Exec(t.Context(), "ip", "link", "show", "eth0"); err != nil || !strings.Contains(out, "NO-CARRIER") {
		t.Errorf("b still sees a carrier: %q, %v", out, err)
	}
	if err := hosts["b"].PlugCable(); err != nil {
		t.Fatal(err)
	}
	// Resolution that failed meanwhile is tried again once a second.
	back := false
	for range 5 {
		back = back || reaches(t, hosts["a"], hosts["b"], false)
	}
	if !back {
		t.Error("a does not reach b after its cable was plugged in again")
	}
}

func TestPartition(t *testing.T) {
	sw, hosts := segment(t)
	for _, v6 := range []bool{false, true} { // resolve first: a one-way cut would otherwise stop resolution too
		reaches(t, hosts["a"], hosts["b"], v6)
	}
	tests := map[string]struct {
		cut      network.Cut
		ping4    bool
		ping6    bool
		pingToC  bool
		tcp, alt bool // from a to b, ports 7000 and 7001
	}{
		"everything":   {cut: network.Cut{}, pingToC: true},
		"icmp only":    {cut: network.Cut{Protocol: "icmp"}, pingToC: true, tcp: true, alt: true},
		"one tcp port": {cut: network.Cut{Protocol: "tcp", Port: 7000}, ping4: true, ping6: true, pingToC: true, alt: true},
		"one way":      {cut: network.Cut{OneWay: true, Protocol: "tcp"}, ping4: true, ping6: true, pingToC: true},
		"udp":          {cut: network.Cut{Protocol: "udp"}, ping4: true, ping6: true, pingToC: true, tcp: true, alt: true},
	}
	for _, port := range []string{":7000", ":7001"} {
		listener, err := hosts["b"].Listen(t.Context(), "tcp", port)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
	}
	dials := func(port string) bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		conn, err := hosts["a"].DialContext(ctx, "tcp", hosts["b"].Address(false).String()+port)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			heal, err := sw.Partition(t.Context(), []string{"a"}, []string{"b"}, tt.cut)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]bool{
				"ping4": reaches(t, hosts["a"], hosts["b"], false), "ping6": reaches(t, hosts["a"], hosts["b"], true),
				"ping to c": reaches(t, hosts["a"], hosts["c"], false), "tcp": dials(":7000"), "other port": dials(":7001"),
			}
			want := map[string]bool{"ping4": tt.ping4, "ping6": tt.ping6, "ping to c": tt.pingToC, "tcp": tt.tcp, "other port": tt.alt}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("reachability (-want +got):\n%s", diff)
			}
			if err := heal(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !reaches(t, hosts["a"], hosts["b"], false) {
				t.Error("a does not reach b after healing")
			}
		})
	}
}

func TestPartitionRefuses(t *testing.T) {
	sw, _ := segment(t)
	for name, cut := range map[string]network.Cut{
		"unknown protocol":        {Protocol: "ipx"},
		"port without a protocol": {Port: 80},
		"loss above one":          {Loss: 2},
	} {
		if _, err := sw.Partition(t.Context(), []string{"a"}, []string{"b"}, cut); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPodsReachEachOtherThroughTheirHosts(t *testing.T) {
	_, hosts := segment(t)
	var pods []*network.Pod
	for i, name := range []string{"a", "b"} {
		prefixes := []netip.Prefix{
			netip.MustParsePrefix(fmt.Sprintf("10.244.%d.0/24", i)), netip.MustParsePrefix(fmt.Sprintf("2001:db8:244:%d::/64", i)),
		}
		for _, key := range []string{"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"} {
			if err := hosts[name].Sysctl(key, "1"); err != nil {
				t.Fatal(err)
			}
		}
		podNetwork, err := network.NewPodNetwork(hosts[name], prefixes)
		if err != nil {
			t.Fatal(err)
		}
		pod, err := podNetwork.Attach("pod-on-" + name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { podNetwork.Detach(pod) })
		pods = append(pods, pod)
		for _, other := range []string{"a", "b"} {
			if other == name {
				continue
			}
			for _, prefix := range prefixes {
				if err := hosts[other].AddRoute(prefix, hosts[name].Address(prefix.Addr().Is6())); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	listener, err := pods[1].Listen(t.Context(), "tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // nobody asks any more
	for _, addr := range pods[1].Addresses {
		for name, from := range map[string]*network.Namespace{"its host": hosts["b"].Namespace, "another host": hosts["a"].Namespace, "another pod": pods[0].Namespace} {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			conn, err := from.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, 80).String())
			cancel()
			if err != nil {
				t.Errorf("pod at %s does not answer %s: %v", addr, name, err)
				continue
			}
			_ = conn.Close()
		}
	}
}
