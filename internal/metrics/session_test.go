package metrics

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/bgp/bfd"
)

// TestBGP: the names and labels that dashboards look for.
func TestBGP(t *testing.T) {
	t.Parallel()

	status := bgp.Status{Peers: []bgp.PeerStatus{
		{
			Name: "tor-1", Address: netip.MustParseAddrPort("192.0.2.1:179"), State: bgp.Established,
			Desired: 5, Advertised: 4, NotCarried: 1,
			Counters: bgp.Counters{
				OpensSent: 2, OpensReceived: 1, NotificationsSent: 3, UpdatesSent: 7, UpdatesReceived: 9,
				KeepalivesSent: 10, KeepalivesReceived: 11, TotalSent: 22, TotalReceived: 21,
			},
		},
		{Name: "tor-2", Address: netip.MustParseAddrPort("[fe80::1%eth0]:1790"), State: bgp.Connect},
	}}
	const want = `
# HELP metallb_bgp_announced_prefixes_total Prefixes advertised to the router.
# TYPE metallb_bgp_announced_prefixes_total gauge
metallb_bgp_announced_prefixes_total{peer="192.0.2.1:179"} 4
metallb_bgp_announced_prefixes_total{peer="[fe80::1%eth0]:1790"} 0
# HELP metallb_bgp_keepalives_received KEEPALIVE messages received.
# TYPE metallb_bgp_keepalives_received counter
metallb_bgp_keepalives_received{peer="192.0.2.1:179"} 11
metallb_bgp_keepalives_received{peer="[fe80::1%eth0]:1790"} 0
# HELP metallb_bgp_keepalives_sent KEEPALIVE messages sent.
# TYPE metallb_bgp_keepalives_sent counter
metallb_bgp_keepalives_sent{peer="192.0.2.1:179"} 10
metallb_bgp_keepalives_sent{peer="[fe80::1%eth0]:1790"} 0
# HELP metallb_bgp_notifications_sent NOTIFICATION messages sent.
# TYPE metallb_bgp_notifications_sent counter
metallb_bgp_notifications_sent{peer="192.0.2.1:179"} 3
metallb_bgp_notifications_sent{peer="[fe80::1%eth0]:1790"} 0
# HELP metallb_bgp_opens_received OPEN messages received.
# TYPE metallb_bgp_opens_received counter
metallb_bgp_opens_received{peer="192.0.2.1:179"} 1
metallb_bgp_opens_received{peer="[fe80::1%eth0]:1790"} 0
# HELP metallb_bgp_opens_sent OPEN messages sent.
# TYPE metallb_bgp_opens_sent counter
metallb_bgp_opens_sent{peer="192.0.2.1:179"} 2
metallb_bgp_opens_sent{peer="[fe80::1%eth0]:1790"} 0
# HELP metallb_bgp_pending_prefixes_total Prefixes that should be advertised to the router.
# TYPE metallb_bgp_pending_prefixes_total gauge
metallb_bgp_pending_prefixes_total{peer="192.0.2.1:179"} 5
metallb_bgp_pending_prefixes_total{peer="[fe80::1%eth0]:1790"} 0
# HELP metallb_bgp_session_up 1 while the BGP session is established.
# TYPE metallb_bgp_session_up gauge
metallb_bgp_session_up{peer="192.0.2.1:179"} 1
metallb_bgp_session_up{peer="[fe80::1%eth0]:1790"} 0
# HELP metallb_bgp_total_received BGP messages received.
# TYPE metallb_bgp_total_received counter
metallb_bgp_total_received{peer="192.0.2.1:179"} 21
metallb_bgp_total_received{peer="[fe80::1%eth0]:1790"} 0
# HELP metallb_bgp_total_sent BGP messages sent.
# TYPE metallb_bgp_total_sent counter
metallb_bgp_total_sent{peer="192.0.2.1:179"} 22
metallb_bgp_total_sent{peer="[fe80::1%eth0]:1790"} 0
# HELP metallb_bgp_updates_total UPDATE messages sent.
# TYPE metallb_bgp_updates_total counter
metallb_bgp_updates_total{peer="192.0.2.1:179"} 7
metallb_bgp_updates_total{peer="[fe80::1%eth0]:1790"} 0
# HELP metallb_bgp_updates_total_received UPDATE messages received, none of which is looked into.
# TYPE metallb_bgp_updates_total_received counter
metallb_bgp_updates_total_received{peer="192.0.2.1:179"} 9
metallb_bgp_updates_total_received{peer="[fe80::1%eth0]:1790"} 0
`
	compare(t, newBGP(func() bgp.Status { return status }), want)
}

// TestBFD: the names and labels that dashboards look for.
func TestBFD(t *testing.T) {
	t.Parallel()

	status := bfd.Status{Sessions: []bfd.SessionStatus{{
		Name: "tor-1", Peer: netip.MustParseAddr("192.0.2.1"), State: bfd.Up,
		Counters: bfd.Counters{ControlIn: 1, ControlOut: 2, EchoIn: 3, EchoOut: 4, Ups: 5, Downs: 6},
	}}}
	const want = `
# HELP metallb_bfd_control_packet_input Valid BFD control packets received.
# TYPE metallb_bfd_control_packet_input counter
metallb_bfd_control_packet_input{peer="192.0.2.1"} 1
# HELP metallb_bfd_control_packet_output BFD control packets sent.
# TYPE metallb_bfd_control_packet_output counter
metallb_bfd_control_packet_output{peer="192.0.2.1"} 2
# HELP metallb_bfd_echo_packet_input BFD echo packets that came back.
# TYPE metallb_bfd_echo_packet_input counter
metallb_bfd_echo_packet_input{peer="192.0.2.1"} 3
# HELP metallb_bfd_echo_packet_output BFD echo packets sent.
# TYPE metallb_bfd_echo_packet_output counter
metallb_bfd_echo_packet_output{peer="192.0.2.1"} 4
# HELP metallb_bfd_session_down_events Times the BFD session went down, for whatever reason.
# TYPE metallb_bfd_session_down_events counter
metallb_bfd_session_down_events{peer="192.0.2.1"} 6
# HELP metallb_bfd_session_up 1 while the BFD session is up.
# TYPE metallb_bfd_session_up gauge
metallb_bfd_session_up{peer="192.0.2.1"} 1
# HELP metallb_bfd_session_up_events Times the BFD session came up.
# TYPE metallb_bfd_session_up_events counter
metallb_bfd_session_up_events{peer="192.0.2.1"} 5
`
	compare(t, newBFD(func() bfd.Status { return status }), want)
}

// TestTwoWaysToOneRouter: a label that comes twice fails a scrape as a whole,
// and everybody's metrics with it.
func TestTwoWaysToOneRouter(t *testing.T) {
	t.Parallel()

	one := bgp.PeerStatus{Address: netip.MustParseAddrPort("192.0.2.1:179"), State: bgp.Established, Advertised: 2}
	other := one
	other.State = bgp.Idle
	c := newBGP(func() bgp.Status { return bgp.Status{Peers: []bgp.PeerStatus{one, other}} })
	const want = `
# HELP metallb_bgp_announced_prefixes_total Prefixes advertised to the router.
# TYPE metallb_bgp_announced_prefixes_total gauge
metallb_bgp_announced_prefixes_total{peer="192.0.2.1:179"} 4
# HELP metallb_bgp_session_up 1 while the BGP session is established.
# TYPE metallb_bgp_session_up gauge
metallb_bgp_session_up{peer="192.0.2.1:179"} 0
`
	compare(t, c, want, "metallb_bgp_session_up", "metallb_bgp_announced_prefixes_total")
}

func compare(t *testing.T, c prometheus.Collector, want string, names ...string) {
	t.Helper()
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}
