package config_test

import (
	"encoding/hex"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/config"
)

// attributesOf are what an advertisement with those communities puts on its
// routes; nil if it is not in force.
func attributesOf(t *testing.T, communities, objects string) (*bgp.Attributes, []string) {
	t.Helper()

	snap, problems := config.Compile(objectsOf(t, `
kind: IPAddressPool
metadata: {name: pool}
spec: {addresses: [192.0.2.0/24]}
---
kind: BGPAdvertisement
metadata: {name: ad}
spec: {communities: [`+communities+`]}
---
`+objects))
	ads := snap.Pool("pool").BGP
	if len(ads) == 0 {
		return nil, texts(problems)
	}
	return ads[0].Attributes, texts(problems)
}

// TestCommunityLiterals: what can be written, and the octets it becomes.
func TestCommunityLiterals(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct{ text, want string }{
		{"0:0", "00000000"},
		{"64496:100", "fbf00064"},
		{"65535:65535", "ffffffff"},
		{"large:64496:1:2", "0000fbf0 00000001 00000002"},
		{"large:4294967295:0:4294967295", "ffffffff 00000000 ffffffff"},
		{"extended:rt:64496:100", "0002fbf000000064"},
		{"extended:rt:64496:4294967295", "0002fbf0ffffffff"},
		{"extended:rt:4200000000:100", "0202fa56ea000064"},
		{"extended:rt:65536:65535", "020200010000ffff"},
		{"extended:rt:192.0.2.1:100", "0102c00002010064"},
		{"extended:soo:64496:100", "0003fbf000000064"},
		{"extended:soo:4200000000:100", "0203fa56ea000064"},
		{"extended:soo:192.0.2.1:100", "0103c00002010064"},
		{"extended:bandwidth:64496:125000000", fmt.Sprintf("4004fbf0%08x", math.Float32bits(125e6))}, // 1 Gbit/s
		{"extended:bandwidth:64496:12500000000", fmt.Sprintf("4004fbf0%08x", math.Float32bits(125e8))},
		{"extended:bandwidth:64496:0", "4004fbf000000000"},

		{"", ""},
		{"64496", ""},
		{"64496:", ""},
		{":100", ""},
		{"64496:1:2", ""},
		{"64496:100:", ""},
		{"65536:1", ""},
		{"1:65536", ""},
		{"-1:1", ""},
		{"+1:1", ""},
		{" 64496:100", ""},
		{"0x10:1", ""},
		{"Large:64496:1:2", ""},
		{"large:64496:1", ""},
		{"large:64496:1:2:3", ""},
		{"large:64496:1:4294967296", ""},
		{"extended:64496:1", ""},
		{"extended:rt:64496", ""},
		{"extended:rt:65536:65536", ""},
		{"extended:rt:4294967296:1", ""},
		{"extended:rt:192.0.2.1:65536", ""},
		{"extended:rt:192.0.2.256:1", ""},
		{"extended:rt:192.0.2.01:1", ""},
		{"extended:rt:2001:db8::1:1", ""},
		{"extended:RT:64496:1", ""},
		{"extended:ro:64496:1", ""},
		{"extended:bandwidth:65536:1", ""},
		{"extended:bandwidth:192.0.2.1:1", ""},
		{"extended:bandwidth:64496:1.5", ""},
		{"extended:bandwidth:64496:-1", ""},
	} {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()

			got, problems := attributesOf(t, "'"+tt.text+"'", "")
			if tt.want == "" {
				want := []string{`BGPAdvertisement ad: spec.communities[0]: ` + invalidValue(tt.text) +
					`is neither an alias in a Community object, nor a well-known name such as no-export, nor a community such as 64496:100, large:64496:1:2 or extended:rt:64496:100`}
				if diff := cmp.Diff(want, problems); diff != "" {
					t.Errorf("problems (-want +got):\n%s", diff)
				}
				if got != nil {
					t.Error("the advertisement is in force")
				}
				return
			}
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if diff := cmp.Diff(tt.want, octets(got)); diff != "" {
				t.Errorf("octets (-want +got):\n%s", diff)
			}
		})
	}
}

// invalidValue is how a Problem quotes a value, unless it is empty.
func invalidValue(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("invalid value %q: ", text)
}

// octets are all communities as they stand on the wire.
func octets(a *bgp.Attributes) string {
	out := ""
	for _, c := range a.Communities {
		out += fmt.Sprintf(",%08x", uint32(c))
	}
	for _, c := range a.LargeCommunities {
		out += fmt.Sprintf(",%08x %08x %08x", c.Global, c.Local1, c.Local2)
	}
	for _, c := range a.ExtendedCommunities {
		out += "," + hex.EncodeToString(c[:])
	}
	if out == "" {
		return ""
	}
	return out[1:]
}

func TestWellKnownCommunities(t *testing.T) {
	t.Parallel()

	for name, want := range map[string]bgp.Community{
		"no-export": bgp.NoExport, "NO_EXPORT": bgp.NoExport, "No-Export": bgp.NoExport,
		"no-advertise": bgp.NoAdvertise, "NO_ADVERTISE": bgp.NoAdvertise,
		"no-export-subconfed": bgp.NoExportSubconfed, "local-as": bgp.NoExportSubconfed, "local-AS": bgp.NoExportSubconfed,
		"no-peer": bgp.NoPeer, "NOPEER": bgp.NoPeer,
		"graceful-shutdown": bgp.GracefulShutdown, "GRACEFUL_SHUTDOWN": bgp.GracefulShutdown,
		"blackhole": bgp.Blackhole, "accept-own": bgp.AcceptOwn, "no-llgr": bgp.NoLLGR, "llgr-stale": bgp.LLGRStale,
	} {
		got, problems := attributesOf(t, name, "")
		if len(problems) > 0 {
			t.Errorf("%s: %q", name, problems)
			continue
		}
		if diff := cmp.Diff([]bgp.Community{want}, got.Communities); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestAliases: the one table that all Community objects make.
func TestAliases(t *testing.T) {
	t.Parallel()

	const objects = `
kind: Community
metadata: {name: a-young, creationTimestamp: '2026-01-01T00:02:00Z'}
spec:
  communities:
  - {name: edge, value: '64496:2'}
  - {name: lone, value: 'extended:soo:64496:2'}
---
kind: Community
metadata: {name: b-old, creationTimestamp: '2026-01-01T00:01:00Z'}
spec:
  communities:
  - {name: edge, value: '64496:1'}
  - {name: bad, value: nonsense}
  - {name: edge, value: '64496:3'}
  - {name: no-export, value: 'large:64496:1:1'}
  - {name: '64496:9', value: '64496:10'}
  - {value: '64496:4'}
  - {value: '64496:5'}
`
	mistakes := []string{
		`Community a-young: spec.communities[0].name: invalid value "edge": is defined in Community "b-old", which takes precedence`,
		`Community b-old: spec.communities[1].value: invalid value "nonsense": is not a community such as 64496:100, large:64496:1:2 or extended:rt:64496:100`,
		`Community b-old: spec.communities[2].name: invalid value "edge": is defined earlier in this object`,
	}
	const unknown = `BGPAdvertisement ad: spec.communities[0]: invalid value %q: is neither an alias in a Community object, nor a well-known name such as no-export, nor a community such as 64496:100, large:64496:1:2 or extended:rt:64496:100`
	for _, tt := range []struct{ name, communities, want, problem string }{
		{name: "the elder's", communities: "edge", want: "fbf00001"},
		{name: "the rest of an object with a mistake", communities: "lone", want: "0003fbf000000002"},
		{name: "before a well-known name", communities: "no-export", want: "0000fbf0 00000001 00000001"},
		{name: "but only in the same case", communities: "NO-EXPORT", want: "ffffff01"},
		{name: "before what it looks like", communities: "'64496:9'", want: "fbf0000a"},
		{
			name: "all kinds, sorted, each once", communities: "lone, no_advertise, 'large:64496:2:1', edge, no-export, '64496:1', 'large:64496:1:9', 'extended:rt:64496:1'",
			want: "fbf00001,ffffff02,0000fbf0 00000001 00000001,0000fbf0 00000001 00000009,0000fbf0 00000002 00000001,0002fbf000000001,0003fbf000000002",
		},
		{name: "unknown", communities: "edges", problem: fmt.Sprintf(unknown, "edges")},
		{name: "bad", communities: "bad", problem: fmt.Sprintf(unknown, "bad")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			got, problems := attributesOf(t, tt.communities, objects)
			want := mistakes
			if tt.problem != "" {
				want = append([]string{tt.problem}, mistakes...)
			}
			if diff := cmp.Diff(want, problems); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
			if got == nil {
				got = &bgp.Attributes{}
			}
			if diff := cmp.Diff(tt.want, octets(got)); diff != "" {
				t.Errorf("octets (-want +got):\n%s", diff)
			}
		})
	}
}
