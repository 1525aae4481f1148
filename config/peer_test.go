package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/bgp/bfd"
	"github.com/clarion-lb/clarion/config"
)

const threeNodes = `
kind: Node
metadata: {name: n1, labels: {rack: a, disk: fast}}
---
kind: Node
metadata: {name: n2, labels: {rack: a}}
---
kind: Node
metadata: {name: n3, labels: {rack: b}}
---
`

func TestPeersSelectNodesAndAreSorted(t *testing.T) {
	t.Parallel()

	snap, problems := config.Compile(objectsOf(t, threeNodes+`
kind: BGPPeer
metadata: {name: tor-b}
spec: {myASN: 64500, peerASN: 64496, peerAddress: 192.0.2.2, nodeSelectors: [{matchLabels: {rack: b}}, {matchLabels: {disk: fast}}]}
---
kind: BGPPeer
metadata: {name: tor-c}
spec: {myASN: 64500, peerASN: 64496, peerAddress: 192.0.2.3, nodeSelectors: [{matchLabels: {rack: z}}]}
---
kind: BGPPeer
metadata: {name: tor-a}
spec: {myASN: 64500, peerASN: 64496, interface: eth1}
`))
	if len(problems) > 0 {
		t.Fatal(texts(problems))
	}
	var got []string
	for _, p := range snap.Peers {
		got = append(got, fmt.Sprintf("%s %q on %s", p.Name, p.Interface, nodeNames(snap, p.Nodes)))
	}
	want := []string{`tor-a "eth1" on n1 n2 n3`, `tor-b "" on n1 n3`, `tor-c "" on `}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("peers (-want +got):\n%s", diff)
	}
}

// TestTwoPeersForOneRouter defends P6: the elder keeps its sessions, and the
// younger those that are not in its way.
func TestTwoPeersForOneRouter(t *testing.T) {
	t.Parallel()

	const taken = `BGPPeer young: spec.peerAddress: invalid value "192.0.2.1": is also the router of BGPPeer "old", which takes precedence on `
	for _, tt := range []struct {
		name, old, young string
		nodes, problem   string
	}{
		{name: "the same", nodes: "", problem: taken + "node n1 and 2 more"},
		{name: "the same in other words", young: "peerPort: 179, routerID: 192.0.2.9", problem: taken + "node n1 and 2 more"},
		{name: "on some nodes", young: "nodeSelectors: [{matchLabels: {rack: a}}]", old: "nodeSelectors: [{matchLabels: {disk: fast}}]", nodes: "n2", problem: taken + "node n1"},
		{name: "on other nodes", young: "nodeSelectors: [{matchLabels: {rack: a}}]", old: "nodeSelectors: [{matchLabels: {rack: b}}]", nodes: "n1 n2"},
		{name: "another port", young: "peerPort: 1179", nodes: "n1 n2 n3"},
		{name: "another VRF", young: "vrf: red", nodes: "n1 n2 n3"},
		{name: "two sources", old: "sourceAddress: 192.0.2.2", young: "sourceAddress: 192.0.2.3", nodes: "n1 n2 n3"},
		{name: "one source, and whichever the kernel takes", young: "sourceAddress: 192.0.2.3", problem: taken + "node n1 and 2 more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			const object = "kind: BGPPeer\nmetadata: {name: %s, creationTimestamp: '2026-01-01T00:0%d:00Z'}\nspec: {myASN: 64500, peerASN: 64496, peerAddress: 192.0.2.1, %s}\n---\n"
			text := threeNodes + fmt.Sprintf(object, "young", 2, tt.young) + fmt.Sprintf(object, "old", 1, tt.old)
			snap, problems := config.Compile(objectsOf(t, text))
			if diff := cmp.Diff(tt.problem, strings.Join(texts(problems), "\n")); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if got := nodeNames(snap, snap.Peers[1].Nodes); got != tt.nodes {
				t.Errorf("the younger is left with %q, want %q", got, tt.nodes)
			}
			if snap.Peers[0].Nodes.Empty() {
				t.Error("the elder lost its nodes")
			}

			// The controller knows no nodes: nothing can be shared.
			if _, problems := config.Compile(objectsOf(t, text[len(threeNodes):])); len(problems) > 0 {
				t.Errorf("without nodes: %q", texts(problems))
			}
		})
	}
}

// TestGuardsOfASession defends P6: a session goes on without what only guards
// it, and the user is told.
func TestGuardsOfASession(t *testing.T) {
	t.Parallel()

	const profiles = `
kind: BFDProfile
metadata: {name: fast}
spec: {transmitInterval: 50, receiveInterval: 60, detectMultiplier: 5, echoInterval: 70, echoMode: true, passiveMode: true, minimumTtl: 250}
---
kind: BFDProfile
metadata: {name: defaults}
---
kind: BFDProfile
metadata: {name: bad}
spec: {transmitInterval: 5}
---
`
	const badProfile = `BFDProfile bad: spec.transmitInterval: invalid value "5": must be between 10 and 60000`
	ms := time.Millisecond
	for _, tt := range []struct {
		name, spec, annotation string
		bfd                    *bfd.Profile
		ttl                    bool
		problem                string
	}{
		{name: "none"},
		{
			name: "BFD", spec: "bfdProfile: fast",
			bfd: &bfd.Profile{TransmitInterval: 50 * ms, ReceiveInterval: 60 * ms, EchoInterval: 70 * ms, DetectMultiplier: 5, Echo: true, Passive: true, MinimumTTL: 250},
		},
		{
			name: "BFD as it is by default", spec: "bfdProfile: defaults",
			bfd: &bfd.Profile{TransmitInterval: 300 * ms, ReceiveInterval: 300 * ms, EchoInterval: 50 * ms, DetectMultiplier: 3, MinimumTTL: 254},
		},
		{
			name: "missing profile", spec: "bfdProfile: lost",
			problem: `BGPPeer tor-1: spec.bfdProfile: invalid value "lost": there is no valid BFDProfile of that name: the session is not watched by BFD`,
		},
		{
			name: "bad profile", spec: "bfdProfile: bad",
			problem: `BGPPeer tor-1: spec.bfdProfile: invalid value "bad": there is no valid BFDProfile of that name: the session is not watched by BFD`,
		},
		{name: "TTL security", annotation: "true", ttl: true},
		{name: "no TTL security", annotation: "false"},
		{
			name: "TTL security, perhaps", annotation: "yes",
			problem: `BGPPeer tor-1: metadata.annotations[metallb.io/ttl-security]: invalid value "yes": must be "true" or "false": the session goes on without it`,
		},
		{
			name: "TTL security over several hops", annotation: "true", spec: "ebgpMultiHop: true",
			problem: `BGPPeer tor-1: metadata.annotations[metallb.io/ttl-security]: invalid value "true": contradicts ebgpMultiHop, whose packets do come from further away: the session goes on without it`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			o := objectsOf(t, profiles+peerYAML(tt.spec))
			if tt.annotation != "" {
				o.Peers[0].Annotations = map[string]string{"metallb.io/ttl-security": tt.annotation}
			}
			snap, problems := config.Compile(o)
			want := []string{badProfile}
			if tt.problem != "" {
				want = append(want, tt.problem)
			}
			if diff := cmp.Diff(want, texts(problems)); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.bfd, snap.Peers[0].BFD); diff != "" {
				t.Errorf("BFD (-want +got):\n%s", diff)
			}
			if got := snap.Peers[0].Session.TTLSecurity; got != tt.ttl {
				t.Errorf("TTL security is %t, want %t", got, tt.ttl)
			}
		})
	}
}
