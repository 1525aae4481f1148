package deploy_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
)

// object is a manifest named "it" with a spec, in the version that is stored.
func object(kind, spec string) string {
	version := "v1beta1"
	if kind == "BGPPeer" {
		version = "v1beta2"
	}

	return fmt.Sprintf("apiVersion: metallb.io/%s\nkind: %s\nmetadata: {name: it, namespace: metallb-system}\nspec: %s\n", version, kind, spec)
}

// peer is the spec of a BGPPeer that is good, but for what is added.
func peer(more string) string {
	return "{myASN: 64500, peerASN: 64496, peerAddress: 192.0.2.1, " + more + "}"
}

// TestMistakesAreRefused defends P6: the apply's own error tells what is wrong,
// with object, field and value.
func TestMistakesAreRefused(t *testing.T) {
	t.Parallel()

	const (
		form        = "is neither a CIDR such as 192.0.2.0/24 nor a range such as 192.0.2.10-192.0.2.20"
		mixed       = "starts in one address family and ends in the other"
		community   = "is not a community such as 64496:100, large:64496:1:2 or extended:rt:64496:100"
		orCommunity = "is neither an alias nor a community such as 64496:100, large:64496:1:2 or extended:rt:64496:100"
		operator    = "a match expression has an operator that is not In, NotIn, Exists or DoesNotExist"
		values      = "a match expression has values that do not fit its operator: In and NotIn need some, Exists and DoesNotExist take none"
		hold        = "is not 0s nor a duration from 3s to 65535s"
		connect     = "is not a whole number of seconds from 1s to 65535s"
		oneHost     = "is not the address of one host: for one on a link without addresses set interface instead"
		routerID    = "is not an IPv4 address other than 0.0.0.0"
		threeTimes  = "without holdTime means a holdTime of three times as much, which is not 0s nor 3s to 65535s"
	)

	// quoted is how the API server shows a bad string and what we say about it.
	quoted := func(field, value, subject, complaint string) string {
		return fmt.Sprintf("%s: Invalid value: %q: %s%q %s", field, value, subject, value, complaint)
	}

	entry := func(value, complaint string) string { return quoted("spec.addresses[0]", value, "", complaint) }

	s := newServer(t)

	for _, tt := range []struct{ name, kind, spec, want string }{
		{"no spec", "IPAddressPool", "", "spec: Required value"},
		{"no addresses", "IPAddressPool", "{}", "spec.addresses: Required value"},
		{"empty addresses", "IPAddressPool", "{addresses: []}", "spec.addresses: Invalid value: addresses is empty: a pool holds at least one CIDR or range"},
		{"entry twice", "IPAddressPool", "{addresses: [192.0.2.0/24, 198.51.100.0/24, 192.0.2.0/24]}", `spec.addresses: Invalid value: addresses lists "192.0.2.0/24" more than once`},
		{"prefix too long", "IPAddressPool", "{addresses: [10.0.0.0/33]}", entry("10.0.0.0/33", form)},
		{"IPv6 prefix too long", "IPAddressPool", "{addresses: ['2001:db8::/129']}", entry("2001:db8::/129", form)},
		{"leading zero", "IPAddressPool", "{addresses: [10.0.0.01/24]}", entry("10.0.0.01/24", form)},
		{"octet too large", "IPAddressPool", "{addresses: [10.0.0.256/24]}", entry("10.0.0.256/24", form)},
		{"no address at all", "IPAddressPool", "{addresses: [public]}", entry("public", form)},
		{"empty entry", "IPAddressPool", "{addresses: ['']}", entry("", form)},
		{"zone", "IPAddressPool", "{addresses: ['fe80::%eth0/64']}", entry("fe80::%eth0/64", form)},
		{"bare IPv4", "IPAddressPool", "{addresses: [10.0.0.1]}", entry("10.0.0.1", `has no prefix length: write "10.0.0.1/32" for this one address`)},
		{"bare IPv6", "IPAddressPool", "{addresses: ['2001:db8::1']}", entry("2001:db8::1", `has no prefix length: write "2001:db8::1/128" for this one address`)},
		{"blank before CIDR", "IPAddressPool", "{addresses: [' 10.0.0.0/8']}", entry(" 10.0.0.0/8", "has blanks around it")},
		{"blank after CIDR", "IPAddressPool", "{addresses: ['10.0.0.0/8 ']}", entry("10.0.0.0/8 ", "has blanks around it")},
		{"entry too long", "IPAddressPool", "{addresses: ['" + strings.Repeat(" ", 97) + "']}", "spec.addresses[0]: Too long: may not be more than 96 bytes"},
		{"reversed", "IPAddressPool", "{addresses: [10.0.0.9-10.0.0.1]}", entry("10.0.0.9-10.0.0.1", `ends before it starts: write "10.0.0.1-10.0.0.9"`)},
		{"reversed, not as text", "IPAddressPool", "{addresses: [10.0.0.10-10.0.0.9]}", entry("10.0.0.10-10.0.0.9", `ends before it starts: write "10.0.0.9-10.0.0.10"`)},
		{"reversed IPv6", "IPAddressPool", "{addresses: ['2001:db8::1:0 - 2001:db8::FFFF']}", entry("2001:db8::1:0 - 2001:db8::FFFF", `ends before it starts: write "2001:db8::FFFF-2001:db8::1:0"`)},
		{"IPv4 to IPv6", "IPAddressPool", "{addresses: ['10.0.0.1-fc00::1']}", entry("10.0.0.1-fc00::1", mixed)},
		{"IPv6 to IPv4", "IPAddressPool", "{addresses: ['fc00::1-10.0.0.1']}", entry("fc00::1-10.0.0.1", mixed)},
		{"bad end", "IPAddressPool", "{addresses: [10.0.0.1-10.0.0.300]}", entry("10.0.0.1-10.0.0.300", `is not a range: "10.0.0.300" is not an IP address`)},
		{"short end", "IPAddressPool", "{addresses: [198.51.100.10-15]}", entry("198.51.100.10-15", `is not a range: "15" is not an IP address`)},
		{"three ends", "IPAddressPool", "{addresses: [10.0.0.1-10.0.0.2-10.0.0.3]}", entry("10.0.0.1-10.0.0.2-10.0.0.3", `is not a range: "10.0.0.2-10.0.0.3" is not an IP address`)},
		{"range of CIDRs", "IPAddressPool", "{addresses: [10.0.0.0/24-10.0.1.0/24]}", entry("10.0.0.0/24-10.0.1.0/24", `is not a range: "10.0.0.0/24" is not an IP address`)},
		{"negative priority", "IPAddressPool", "{addresses: [10.0.0.0/24], serviceAllocation: {priority: -1}}", "spec.serviceAllocation.priority: Invalid value: -1: spec.serviceAllocation.priority in body should be greater than or equal to 0"},
		{"namespace twice", "IPAddressPool", "{addresses: [10.0.0.0/24], serviceAllocation: {namespaces: [a, b, a]}}", `spec.serviceAllocation.namespaces[2]: Duplicate value: "a"`},
		{"unknown operator", "IPAddressPool", "{addresses: [10.0.0.0/24], serviceAllocation: {serviceSelectors: [{}, {matchExpressions: [{key: a, operator: in, values: [b]}]}]}}", "spec.serviceAllocation.serviceSelectors[1]: Invalid value: " + operator},
		{"unknown field", "IPAddressPool", "{addresses: [10.0.0.0/24], autoassign: false}", `unknown field "spec.autoassign"`},

		{"pool twice", "L2Advertisement", "{ipAddressPools: [a, a]}", `spec.ipAddressPools[1]: Duplicate value: "a"`},
		{"In without values", "L2Advertisement", "{nodeSelectors: [{matchExpressions: [{key: a, operator: In}]}]}", "spec.nodeSelectors[0]: Invalid value: " + values},
		{"Exists with values", "L2Advertisement", "{nodeSelectors: [{matchExpressions: [{key: a, operator: Exists, values: [b]}]}]}", "spec.nodeSelectors[0]: Invalid value: " + values},
		{"weight too small", "L2Advertisement", "{preferredNodeSelectors: [{weight: 0, preference: {}}]}", "spec.preferredNodeSelectors[0].weight: Invalid value: 0: spec.preferredNodeSelectors[0].weight in body should be greater than or equal to 1"},
		{"weight too large", "L2Advertisement", "{preferredNodeSelectors: [{weight: 101, preference: {}}]}", "spec.preferredNodeSelectors[0].weight: Invalid value: 101: spec.preferredNodeSelectors[0].weight in body should be less than or equal to 100"},
		{"no preference", "L2Advertisement", "{preferredNodeSelectors: [{weight: 1}]}", "spec.preferredNodeSelectors[0].preference: Required value"},
		{"bad preference", "L2Advertisement", "{preferredNodeSelectors: [{weight: 1, preference: {matchExpressions: [{key: a, operator: like}]}}]}", "spec.preferredNodeSelectors[0].preference: Invalid value: " + operator},

		{"aggregation too short", "BGPAdvertisement", "{aggregationLength: 0}", "spec.aggregationLength: Invalid value: 0: spec.aggregationLength in body should be greater than or equal to 1"},
		{"aggregation too long", "BGPAdvertisement", "{aggregationLength: 33}", "spec.aggregationLength: Invalid value: 33: spec.aggregationLength in body should be less than or equal to 32"},
		{"IPv6 aggregation too long", "BGPAdvertisement", "{aggregationLengthV6: 129}", "spec.aggregationLengthV6: Invalid value: 129: spec.aggregationLengthV6 in body should be less than or equal to 128"},
		{"negative IPv6 aggregation", "BGPAdvertisement", "{aggregationLengthV6: -1}", "spec.aggregationLengthV6: Invalid value: -1: spec.aggregationLengthV6 in body should be greater than or equal to 0"},
		{"negative preference", "BGPAdvertisement", "{localPref: -1}", "spec.localPref: Invalid value: -1: spec.localPref in body should be greater than or equal to 0"},
		{"aggregate of selected Services", "BGPAdvertisement", "{serviceSelectors: [{}], aggregationLength: 24}", "spec.serviceSelectors: Invalid value: serviceSelectors need single addresses, not aggregates: aggregationLength 24 must be 32, aggregationLengthV6 128 must be 128"},
		{"community twice", "BGPAdvertisement", "{communities: [64496:1, 64496:1]}", `spec.communities[1]: Duplicate value: "64496:1"`},
		{"community too large", "BGPAdvertisement", "{communities: ['65536:1']}", quoted("spec.communities[0]", "65536:1", "", orCommunity)},
		{"community of three parts", "BGPAdvertisement", "{communities: ['64496:1:2']}", quoted("spec.communities[0]", "64496:1:2", "", orCommunity)},
		{"large community too large", "BGPAdvertisement", "{communities: ['large:64496:1:4294967296']}", quoted("spec.communities[0]", "large:64496:1:4294967296", "", orCommunity)},
		{"large community in capitals", "BGPAdvertisement", "{communities: ['Large:64496:1:2']}", quoted("spec.communities[0]", "Large:64496:1:2", "", orCommunity)},
		{"extended community without its kind", "BGPAdvertisement", "{communities: ['extended:64496:1']}", quoted("spec.communities[0]", "extended:64496:1", "", orCommunity)},
		{"extended community of six octets and two more", "BGPAdvertisement", "{communities: ['extended:rt:65536:65536']}", quoted("spec.communities[0]", "extended:rt:65536:65536", "", orCommunity)},
		{"peer twice", "BGPAdvertisement", "{peers: [tor-1, tor-1]}", `spec.peers[1]: Duplicate value: "tor-1"`},

		{"no spec", "BGPPeer", "", "spec: Required value"},
		{"no myASN", "BGPPeer", "{peerASN: 64496, peerAddress: 192.0.2.1}", "spec.myASN: Required value"},
		{"myASN 0", "BGPPeer", "{myASN: 0, peerASN: 64496, peerAddress: 192.0.2.1}", "spec.myASN: Invalid value: 0: spec.myASN in body should be greater than or equal to 1"},
		{"myASN too large", "BGPPeer", "{myASN: 4294967296, peerASN: 64496, peerAddress: 192.0.2.1}", "spec.myASN: Invalid value: 4294967296: spec.myASN in body should be less than or equal to 4294967295"},
		{"no peerASN", "BGPPeer", "{myASN: 64500, peerAddress: 192.0.2.1}", "spec: Invalid value: neither peerASN nor dynamicASN is set: the autonomous system of the peer is needed"},
		{"peerASN 0", "BGPPeer", "{myASN: 64500, peerASN: 0, peerAddress: 192.0.2.1}", "spec: Invalid value: neither peerASN nor dynamicASN is set: the autonomous system of the peer is needed"},
		{"both ASNs", "BGPPeer", peer("dynamicASN: external"), "spec: Invalid value: peerASN 64496 and dynamicASN external are both set: keep one"},
		{"unknown dynamicASN", "BGPPeer", "{myASN: 64500, dynamicASN: any, peerAddress: 192.0.2.1}", `spec.dynamicASN: Unsupported value: "any": supported values: "internal", "external"`},
		{"no way to the peer", "BGPPeer", "{myASN: 64500, peerASN: 64496}", "spec: Invalid value: neither peerAddress nor interface is set: a way to reach the peer is needed"},
		{"two ways to the peer", "BGPPeer", peer("interface: eth0"), "spec: Invalid value: peerAddress 192.0.2.1 and interface eth0 are both set: keep one"},
		{"peer by name", "BGPPeer", "{myASN: 64500, peerASN: 64496, peerAddress: tor.example.com}", quoted("spec.peerAddress", "tor.example.com", "peerAddress ", "is not an IP address")},
		{"peer with zone", "BGPPeer", "{myASN: 64500, peerASN: 64496, peerAddress: 'fe80::1%eth0'}", quoted("spec.peerAddress", "fe80::1%eth0", "peerAddress ", "is not an IP address")},
		{"peer on some link", "BGPPeer", "{myASN: 64500, peerASN: 64496, peerAddress: 'fe80::1'}", quoted("spec.peerAddress", "fe80::1", "peerAddress ", oneHost)},
		{"peer anywhere", "BGPPeer", "{myASN: 64500, peerASN: 64496, peerAddress: 0.0.0.0}", quoted("spec.peerAddress", "0.0.0.0", "peerAddress ", oneHost)},
		{"source with blank", "BGPPeer", peer("sourceAddress: ' 192.0.2.2'"), quoted("spec.sourceAddress", " 192.0.2.2", "sourceAddress ", "is not an IP address")},
		{"peerPort 0", "BGPPeer", peer("peerPort: 0"), "spec.peerPort: Invalid value: 0: spec.peerPort in body should be greater than or equal to 1"},
		{"peerPort too large", "BGPPeer", peer("peerPort: 16385"), "spec.peerPort: Invalid value: 16385: spec.peerPort in body should be less than or equal to 16384"},
		{"multihop within one AS", "BGPPeer", "{myASN: 64500, peerASN: 64500, peerAddress: 192.0.2.1, ebgpMultiHop: true}", "spec.ebgpMultiHop: Invalid value: ebgpMultiHop is for a peer of another autonomous system, but peerASN 64500 equals myASN"},
		{"multihop within the AS shown", "BGPPeer", peer("localASN: 64496, ebgpMultiHop: true"), "spec.ebgpMultiHop: Invalid value: ebgpMultiHop is for a peer of another autonomous system, but peerASN 64496 equals localASN"},
		{"password too long for TCP", "BGPPeer", peer("password: " + strings.Repeat("x", 81)), "spec.password: Too long: may not be more than 80 bytes"},
		{"holdTime 1 s", "BGPPeer", peer("holdTime: 1s"), quoted("spec.holdTime", "1s", "holdTime ", hold)},
		{"holdTime almost 3 s", "BGPPeer", peer("holdTime: 2.9s"), quoted("spec.holdTime", "2.9s", "holdTime ", hold)},
		{"holdTime negative", "BGPPeer", peer("holdTime: -3s"), quoted("spec.holdTime", "-3s", "holdTime ", hold)},
		{"holdTime too long for its field", "BGPPeer", peer("holdTime: 65536s"), quoted("spec.holdTime", "65536s", "holdTime ", hold)},
		{"holdTime without unit", "BGPPeer", peer("holdTime: '90'"), quoted("spec.holdTime", "90", "holdTime ", hold)},
		{"holdTime a number", "BGPPeer", peer("holdTime: 90"), `spec.holdTime: Invalid value: "integer": spec.holdTime in body must be of type string: "integer"`},
		{"keepaliveTime longer", "BGPPeer", peer("holdTime: 9s, keepaliveTime: 10s"), "spec.keepaliveTime: Invalid value: keepaliveTime 10s is longer than holdTime 9s"},
		{"keepaliveTime without hold timer", "BGPPeer", peer("holdTime: 0s, keepaliveTime: 1s"), "spec.keepaliveTime: Invalid value: keepaliveTime 1s is longer than holdTime 0s"},
		{"keepaliveTime alone, too short", "BGPPeer", peer("keepaliveTime: 500ms"), "spec.keepaliveTime: Invalid value: keepaliveTime 500ms " + threeTimes},
		{"keepaliveTime alone, too long", "BGPPeer", peer("keepaliveTime: 7h"), "spec.keepaliveTime: Invalid value: keepaliveTime 7h " + threeTimes},
		{"keepaliveTime negative", "BGPPeer", peer("keepaliveTime: -1s"), quoted("spec.keepaliveTime", "-1s", "keepaliveTime ", "is not a duration of 0s or more")},
		{"connectTime too short", "BGPPeer", peer("connectTime: 0s"), quoted("spec.connectTime", "0s", "connectTime ", connect)},
		{"connectTime too long", "BGPPeer", peer("connectTime: 18h13m"), quoted("spec.connectTime", "18h13m", "connectTime ", connect)},
		{"connectTime not whole", "BGPPeer", peer("connectTime: 1500ms"), quoted("spec.connectTime", "1500ms", "connectTime ", connect)},
		{"routerID IPv6", "BGPPeer", peer("routerID: '2001:db8::1'"), quoted("spec.routerID", "2001:db8::1", "routerID ", routerID)},
		{"routerID a number", "BGPPeer", peer("routerID: '1'"), quoted("spec.routerID", "1", "routerID ", routerID)},
		{"routerID zero", "BGPPeer", peer("routerID: 0.0.0.0"), quoted("spec.routerID", "0.0.0.0", "routerID ", routerID)},
		{"two passwords", "BGPPeer", peer("password: geheim, passwordSecret: {name: tor}"), "spec.passwordSecret: Invalid value: password and passwordSecret tor are both set: keep passwordSecret"},
		{"bad nodeSelectors", "BGPPeer", peer("nodeSelectors: [{matchExpressions: [{key: a, operator: NotIn, values: []}]}]"), "spec.nodeSelectors[0]: Invalid value: " + values},

		{"alias twice", "Community", "{communities: [{name: a, value: '1:2'}, {name: a, value: '1:3'}]}", `spec.communities: Invalid value: communities defines "a" more than once`},
		{"alias of nothing", "Community", "{communities: [{name: a}]}", "spec.communities[0].value: Required value"},
		{"alias of the empty string", "Community", "{communities: [{name: a, value: ''}]}", quoted("spec.communities[0].value", "", "", community)},
		{"alias of a number", "Community", "{communities: [{name: a, value: '64496'}]}", quoted("spec.communities[0].value", "64496", "", community)},
		{"alias of an octet too large", "Community", "{communities: [{name: a, value: 'extended:soo:192.0.2.256:1'}]}", quoted("spec.communities[0].value", "extended:soo:192.0.2.256:1", "", community)},
		{"alias of an alias", "Community", "{communities: [{name: a, value: no-export}]}", quoted("spec.communities[0].value", "no-export", "", community)},

		{"receiveInterval", "BFDProfile", "{receiveInterval: 9}", "spec.receiveInterval: Invalid value: 9: spec.receiveInterval in body should be greater than or equal to 10"},
		{"transmitInterval", "BFDProfile", "{transmitInterval: 60001}", "spec.transmitInterval: Invalid value: 60001: spec.transmitInterval in body should be less than or equal to 60000"},
		{"detectMultiplier", "BFDProfile", "{detectMultiplier: 1}", "spec.detectMultiplier: Invalid value: 1: spec.detectMultiplier in body should be greater than or equal to 2"},
		{"detectMultiplier too large", "BFDProfile", "{detectMultiplier: 256}", "spec.detectMultiplier: Invalid value: 256: spec.detectMultiplier in body should be less than or equal to 255"},
		{"echoInterval", "BFDProfile", "{echoInterval: 0}", "spec.echoInterval: Invalid value: 0: spec.echoInterval in body should be greater than or equal to 10"},
		{"minimumTtl", "BFDProfile", "{minimumTtl: 255}", "spec.minimumTtl: Invalid value: 255: spec.minimumTtl in body should be less than or equal to 254"},
	} {
		t.Run(tt.kind+" "+tt.name, func(t *testing.T) {
			t.Parallel()

			_, err := s.create(object(tt.kind, tt.spec))
			if diff := cmp.Diff(tt.want, complaint(err)); diff != "" {
				t.Errorf("unexpected refusal (-want +got):\n%s", diff)
			}
		})
	}
}

// complaint is the error of the API server without what is the same in all:
// the object it names, and that it stopped at an error of the schema.
func complaint(err error) string {
	if err == nil {
		return ""
	}

	const more = "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"

	_, said, named := strings.Cut(err.Error(), `.metallb.io "it" is invalid: `)
	if !named {
		return err.Error()
	}

	if list, ok := strings.CutSuffix(said, ", "+more+"]"); ok {
		said = strings.TrimPrefix(list, "[")
	}

	return said
}

// TestWhatWorksTodayIsAccepted defends the promise of a drop-in: no rule refuses
// what runs in a cluster that is to be migrated.
func TestWhatWorksTodayIsAccepted(t *testing.T) {
	t.Parallel()

	s := newServer(t)

	for _, tt := range []struct{ name, kind, spec string }{
		{"host bits", "IPAddressPool", "{addresses: [203.0.113.77/24]}"},
		{"one address, both ways", "IPAddressPool", "{addresses: [192.0.2.1/32, 192.0.2.2-192.0.2.2, '2001:db8::1-2001:db8::1']}"},
		{"blanks in a range", "IPAddressPool", "{addresses: [' 192.0.2.1 - 192.0.2.9 ']}"},
		{"IPv4-mapped CIDR", "IPAddressPool", "{addresses: ['::ffff:192.0.2.0/120', '::FFFF:c633:6400/120']}"},
		{"IPv4-mapped range", "IPAddressPool", "{addresses: ['::ffff:192.0.2.1-::ffff:192.0.2.9']}"},
		{"dual stack", "IPAddressPool", "{addresses: [192.0.2.0/24, '2001:db8::/64', '2001:db8:1::-2001:db8:1:0:0:0:0:ffff']}"},
		{"dotted quads in IPv6", "IPAddressPool", "{addresses: ['64:ff9b::192.0.2.0/120', '64:ff9b::198.51.100.1-64:ff9b::198.51.100.9']}"},
		{"no sanity filter", "IPAddressPool", "{addresses: [0.0.0.0/0, '::/0', 127.0.0.0/8, 224.0.0.0/4]}"},
		{"the largest list that is compared", "IPAddressPool", "{addresses: [" + entries(200) + "]}"},
		{"the largest list", "IPAddressPool", "{addresses: [" + entries(400) + "]}"},
		{"pinned by priority only", "IPAddressPool", "{addresses: [192.0.2.0/24], serviceAllocation: {}}"},
		{"pinned", "IPAddressPool", "{addresses: [192.0.2.0/24], serviceAllocation: {priority: 5, namespaces: [a], namespaceSelectors: [{matchLabels: {a: b}}], serviceSelectors: [{matchExpressions: [{key: a, operator: DoesNotExist}]}]}}"},

		{"no spec", "L2Advertisement", ""},
		{"an interface twice", "L2Advertisement", "{interfaces: [eth0, eth0]}"},
		{"a preference twice", "L2Advertisement", "{preferredNodeSelectors: [{weight: 1, preference: {}}, {weight: 1, preference: {}}]}"},

		{"no spec", "BGPAdvertisement", ""},
		{"communities", "BGPAdvertisement", "{communities: [no-export, NO_ADVERTISE, '0:0', '65535:65535', 'large:4294967295:0:1']}"},
		{"extended communities", "BGPAdvertisement", "{communities: ['extended:rt:65535:4294967295', 'extended:rt:4294967295:65535', 'extended:soo:192.0.2.1:100', 'extended:bandwidth:64496:125000000']}"},
		{"large preference", "BGPAdvertisement", "{localPref: 4294967295}"},
		{"selected Services", "BGPAdvertisement", "{serviceSelectors: [{}], aggregationLength: 32}"},
		{"no selected Services", "BGPAdvertisement", "{serviceSelectors: [], aggregationLength: 24}"},

		{"plain", "BGPPeer", peer("")},
		{"whatever a Go client leaves empty", "BGPPeer", peer("interface: '', sourceAddress: '', routerID: '', bfdProfile: '', password: geheim, passwordSecret: {}")},
		{"unnumbered", "BGPPeer", "{myASN: 64500, dynamicASN: external, interface: eth0}"},
		{"four octets", "BGPPeer", "{myASN: 4294967295, peerASN: 4294967294, localASN: 65536, peerAddress: '2001:db8::1'}"},
		{"IPv4-mapped", "BGPPeer", "{myASN: 64500, peerASN: 64496, peerAddress: '::ffff:192.0.2.1'}"},
		{"source of the other family", "BGPPeer", peer("sourceAddress: '2001:db8::2'")},
		{"several hops to the AS of the others", "BGPPeer", "{myASN: 64500, localASN: 64501, peerASN: 64500, peerAddress: 192.0.2.1, ebgpMultiHop: true}"},
		{"no timers on the wire", "BGPPeer", peer("holdTime: 0s, keepaliveTime: 0s")},
		{"less than a second is zero", "BGPPeer", peer("holdTime: 0.9s")},
		{"fractions are cut", "BGPPeer", peer("holdTime: 3.9s, keepaliveTime: 3.9s, connectTime: 18h12m15s")},
		{"keepaliveTime alone", "BGPPeer", peer("keepaliveTime: 1s")},
		{"no keepalives", "BGPPeer", peer("keepaliveTime: 0s")},
		{"as Go writes it", "BGPPeer", peer("holdTime: 1m30s, keepaliveTime: 30.000000001s")},
		{"a selector of many expressions", "BGPPeer", peer("nodeSelectors: [{matchExpressions: [" + strings.Repeat("{key: a, operator: Exists},", 9) + "]}]")},

		{"none", "Community", "{}"},
		{"aliases", "Community", "{communities: [{name: a, value: '64496:1'}, {name: '1:2', value: 'large:64496:1:2'}, {value: '1:1'}, {value: '1:1'}]}"},

		{"the extremes", "BFDProfile", "{receiveInterval: 10, transmitInterval: 60000, detectMultiplier: 255, echoInterval: 10, echoMode: true, passiveMode: false, minimumTtl: 254}"},
	} {
		t.Run(tt.kind+" "+tt.name, func(t *testing.T) {
			t.Parallel()

			if _, err := s.create(object(tt.kind, tt.spec)); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

// entries are n ranges of the greatest length that is legal.
func entries(n int) string {
	var b strings.Builder

	for i := range n {
		end := fmt.Sprintf("2001:0db8:0000:0000:0000:0000:0000:%04x", i)
		fmt.Fprintf(&b, "'%48s-%-47s',", end, end)
	}

	return b.String()
}

// TestRangeOrderIsThatOfAddresses compares the rule that finds a range reversed,
// which reckons with digits, with the order of net/netip, over all the ways to
// write an address.
func TestRangeOrderIsThatOfAddresses(t *testing.T) {
	t.Parallel()

	s := newServer(t)
	dice := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a fixed seed, so that a failure repeats

	for range 2000 {
		start := address(dice)
		end := neighbour(dice, start)
		text := spelled(dice, start) + "-" + spelled(dice, end)

		_, err := s.create(object("IPAddressPool", "{addresses: ['"+text+"']}"))
		reversed := strings.Contains(complaint(err), "ends before it starts")

		if reversed != end.Less(start) || err != nil && !reversed {
			t.Errorf("%s: got %v, want reversed %v", text, err, end.Less(start))
		}
	}
}

// address is random, with many zeros as in real life.
func address(dice *rand.Rand) netip.Addr {
	if dice.IntN(4) == 0 {
		return netip.AddrFrom4([4]byte{byte(dice.Uint32()), byte(dice.Uint32()), byte(dice.Uint32()), byte(dice.Uint32())})
	}

	var b [16]byte

	b[0] = 0x20 // never an IPv4-mapped address
	for range dice.IntN(8) {
		b[1+dice.IntN(15)] = byte(dice.Uint32())
	}

	return netip.AddrFrom16(b)
}

// neighbour differs from a in a few bits.
func neighbour(dice *rand.Rand, a netip.Addr) netip.Addr {
	b := a.AsSlice()
	for range dice.IntN(3) {
		b[1+dice.IntN(len(b)-1)] ^= 1 << dice.IntN(8)
	}

	n, _ := netip.AddrFromSlice(b)

	return n
}

// spelled is one of the ways to write a.
func spelled(dice *rand.Rand, a netip.Addr) string {
	switch dice.IntN(3) {
	case 0:
		return " " + a.StringExpanded() + " "
	case 1:
		return strings.ToUpper(a.String())
	default:
		return a.String()
	}
}

// TestSchemaAgreesWithConfig: what package config understands, the schema
// accepts; and what config refuses, the schema refuses first, but for IPv6 with
// dotted quads, which is left to config. Tried on entries with random slips.
func TestSchemaAgreesWithConfig(t *testing.T) {
	t.Parallel()

	s := newServer(t)
	dice := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // a fixed seed, so that a failure repeats
	good := []string{
		"192.0.2.0/24", "2001:db8::/64", "192.0.2.10-192.0.2.20", "2001:db8::1-2001:db8::FF", "2001:db8:0:0:0:0:0:1/128",
		"::ffff:192.0.2.0/120", " 198.51.100.1 - 198.51.100.9 ", "::/0", "0.0.0.0/0", "::-::1", "10.0.0.1-fc00::1", "203.0.113.7",
	}

	for range 2000 {
		entry := slipped(dice, good[dice.IntN(len(good))])
		_, err := config.ParseRange(entry)
		_, refused := s.create(object("IPAddressPool", fmt.Sprintf("{addresses: [%q]}", entry)))

		leftToConfig := strings.Contains(entry, ":") && strings.Contains(entry, ".")
		if refused != nil && err == nil || refused == nil && err != nil && !leftToConfig {
			t.Errorf("%q: schema says %v, config says %v", entry, refused, err)
		}
	}
}

// TestSchemaAgreesWithConfigOnCommunities: the same for communities, which the
// schema judges in full.
func TestSchemaAgreesWithConfigOnCommunities(t *testing.T) {
	t.Parallel()

	s := newServer(t)
	dice := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // a fixed seed, so that a failure repeats
	good := []string{
		"64496:100", "0:65535", "65535:59999", "large:64496:1:2", "large:4294967295:4294967295:0",
		"extended:rt:64496:4294967295", "extended:soo:4294967295:65535", "extended:rt:65536:65529",
		"extended:rt:192.0.2.249:100", "extended:soo:255.255.255.255:65535", "extended:bandwidth:64496:125000000",
	}

	for range 1000 {
		text := slipped(dice, good[dice.IntN(len(good))])
		var community v1beta1.Community
		community.Spec.Communities = []v1beta1.CommunityAlias{{Name: "it", Value: text}}
		_, problems := config.Compile(config.Objects{Communities: []v1beta1.Community{community}})
		_, refused := s.create(object("Community", fmt.Sprintf("{communities: [{name: it, value: %q}]}", text)))

		if (refused != nil) != (len(problems) > 0) {
			t.Errorf("%q: schema says %v, config says %v", text, refused, problems)
		}

		_, used := s.create(object("BGPAdvertisement", fmt.Sprintf("{communities: [%q]}", text)))
		if strings.Contains(text, ":") && (used != nil) != (refused != nil) {
			t.Errorf("%q: as a value %v, in an advertisement %v", text, refused, used)
		}
	}
}

// slipped is text after a few slips of the finger.
func slipped(dice *rand.Rand, text string) string {
	const keys = "0123456789abf:./- "

	b := []byte(text)
	for range dice.IntN(3) {
		i := dice.IntN(len(b))
		switch key := keys[dice.IntN(len(keys))]; dice.IntN(3) {
		case 0:
			b[i] = key
		case 1:
			b = append(b[:i], b[i+1:]...)
		default:
			b = append(b[:i], append([]byte{key}, b[i:]...)...)
		}
	}

	return string(b)
}

// TestGracefulRestartIsImmutable: it is set for good with the first true or
// false, and may be added to a peer that says nothing.
func TestGracefulRestartIsImmutable(t *testing.T) {
	t.Parallel()

	s := newServer(t)

	const refused = "spec.enableGracefulRestart: Invalid value: true: enableGracefulRestart cannot change from false to true: delete the peer and create it again"

	for _, tt := range []struct{ old, new, want string }{
		{"", "enableGracefulRestart: true", ""},
		{"enableGracefulRestart: true", "enableGracefulRestart: true, holdTime: 9s", ""},
		{"enableGracefulRestart: false", "enableGracefulRestart: true", refused},
	} {
		old, err := s.create(object("BGPPeer", peer(tt.old)))
		if err != nil {
			t.Fatal(err)
		}

		_, err = s.update(old, object("BGPPeer", peer(tt.new)))
		if diff := cmp.Diff(tt.want, complaint(err)); diff != "" {
			t.Errorf("%q to %q (-want +got):\n%s", tt.old, tt.new, diff)
		}
	}
}

// TestStoredBeforeTheRules: an object from before the rules may be changed
// elsewhere without being mended first.
func TestStoredBeforeTheRules(t *testing.T) {
	t.Parallel()

	s := newServer(t)
	stored := object("IPAddressPool", "{addresses: [192.0.2.0/24, 192.0.2.0/24, 10.0.0.9-10.0.0.1], autoAssign: true}")

	old := &unstructured.Unstructured{}
	if err := yaml.UnmarshalStrict([]byte(stored), &old.Object); err != nil {
		t.Fatal(err)
	}

	if _, err := s.update(old, strings.Replace(stored, "autoAssign: true", "autoAssign: false", 1)); err != nil {
		t.Errorf("refused a change of another field: %v", err)
	}
}

// TestDefaults: what a user leaves out is stored as the reference has it.
func TestDefaults(t *testing.T) {
	t.Parallel()

	s := newServer(t)

	for _, tt := range []struct {
		kind, spec string
		want       map[string]any
	}{
		{"IPAddressPool", "{addresses: [192.0.2.0/24]}", map[string]any{"addresses": []any{"192.0.2.0/24"}, "autoAssign": true, "avoidBuggyIPs": false}},
		{"L2Advertisement", "{}", map[string]any{}},
		{"BGPAdvertisement", "{}", map[string]any{"aggregationLength": int64(32), "aggregationLengthV6": int64(128)}},
		{"BGPPeer", "{myASN: 64500, peerASN: 64496, peerAddress: 192.0.2.1}", map[string]any{
			"myASN": int64(64500), "peerASN": int64(64496), "peerAddress": "192.0.2.1",
			"peerPort": int64(179), "disableMP": false, "dualStackAddressFamily": false,
		}},
		{"BFDProfile", "{}", map[string]any{}},
	} {
		got, err := s.create(object(tt.kind, tt.spec))
		if err != nil {
			t.Fatal(err)
		}

		if diff := cmp.Diff(tt.want, got.Object["spec"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.kind, diff)
		}
	}
}

// TestStatus: what we write into the status of objects, and what the schema
// holds us to.
func TestStatus(t *testing.T) {
	t.Parallel()

	s := newServer(t)

	const (
		counters  = "assignedIPv4: 1, assignedIPv6: 0, availableIPv4: 255, availableIPv6: 0"
		condition = "{type: Valid, status: 'True', reason: Reconciled, message: '', lastTransitionTime: '2026-01-01T00:00:00Z'}"
	)

	for _, tt := range []struct{ name, kind, spec, before, after, want string }{
		{"counters", "IPAddressPool", "{addresses: [192.0.2.0/24]}", "", counters, ""},
		{"counters and condition", "IPAddressPool", "{addresses: [192.0.2.0/24]}", counters, counters + ", conditions: [" + condition + "]", ""},
		{"condition alone", "IPAddressPool", "{addresses: [192.0.2.0/24]}", counters, "assignedIPv4: 1, assignedIPv6: 0, availableIPv4: 255", "status.availableIPv6: Required value"},
		{"condition twice", "IPAddressPool", "{addresses: [192.0.2.0/24]}", counters, counters + ", conditions: [" + condition + ", " + condition + "]", `status.conditions[1]: Duplicate value: {"type":"Valid"}`},
		{"the first owner", "ServiceL2Status", "{}", "", "node: node-a, serviceName: web, serviceNamespace: default, interfaces: [{name: eth0}]", ""},
		{"another owner", "ServiceL2Status", "{}", "node: node-a", "node: node-b", `status.node: Invalid value: "node-b": Value is immutable`},
		{"another Service", "ServiceBGPStatus", "{}", "serviceName: a, serviceNamespace: a", "serviceName: b, serviceNamespace: a, peers: [tor]", `status.serviceName: Invalid value: "b": Value is immutable`},
		{"another namespace", "ServiceBGPStatus", "{}", "serviceNamespace: a", "serviceNamespace: b", `status.serviceNamespace: Invalid value: "b": Value is immutable`},
	} {
		t.Run(tt.kind+" "+tt.name, func(t *testing.T) {
			t.Parallel()

			obj, err := s.create(object(tt.kind, tt.spec))
			if err != nil {
				t.Fatal(err)
			}

			if tt.before != "" {
				if obj, err = s.updateStatus(obj, object(tt.kind, tt.spec)+"status: {"+tt.before+"}\n"); err != nil {
					t.Fatal(err)
				}
			}

			_, err = s.updateStatus(obj, object(tt.kind, tt.spec)+"status: {"+tt.after+"}\n")
			if diff := cmp.Diff(tt.want, complaint(err)); diff != "" {
				t.Errorf("unexpected answer (-want +got):\n%s", diff)
			}
		})
	}
}
