package members

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/memberlist"
)

// tuningFile is a complete file with the LAN defaults.
func tuningFile() map[string]any {
	return map[string]any{
		"TCPTimeout": "10s", "IndirectChecks": 3, "RetransmitMult": 4, "SuspicionMult": 4,
		"SuspicionMaxTimeoutMult": 6, "PushPullInterval": "30s", "ProbeTimeout": "500ms",
		"ProbeInterval": "1s", "DisableTcpPings": false, "AwarenessMaxMultiplier": 8,
		"GossipNodes": 3, "GossipInterval": "200ms", "GossipToTheDeadTime": "30s",
		"GossipVerifyIncoming": true, "GossipVerifyOutgoing": true, "EnableCompression": true,
		"HandoffQueueDepth": 1024, "UDPBufferSize": 1400, "QueueCheckInterval": "30s",
	}
}

func TestParseTuning(t *testing.T) {
	t.Parallel()

	const failed = "members: failed to read the memberlist tuning: "
	set := func(key string, value any) func(map[string]any) {
		return func(m map[string]any) { m[key] = value }
	}
	tests := []struct {
		name string
		edit func(map[string]any)
		want string // error, or empty
	}{
		{"complete", func(map[string]any) {}, ""},
		{"another key", set("Comment", "tuned for the rack"), ""},
		{"another case", func(m map[string]any) { m["tcptimeout"] = m["TCPTimeout"]; delete(m, "TCPTimeout") }, ""},
		{"switched off", func(m map[string]any) {
			maps.Copy(m, map[string]any{"IndirectChecks": 0, "PushPullInterval": "0s", "GossipNodes": 0, "GossipInterval": "0"})
		}, ""},
		{"no duration", set("ProbeInterval", "fast"), failed + `ProbeInterval: "fast" is not a duration such as "500ms"`},
		{"a bare number for a duration", set("ProbeInterval", 1), failed + `ProbeInterval: 1 is not a duration such as "500ms"`},
		{"null", set("TCPTimeout", nil), failed + "TCPTimeout: missing"},
		{"negative", set("GossipToTheDeadTime", "-1s"), failed + "GossipToTheDeadTime: -1s is too short"},
		{"a probe that never waits", set("ProbeTimeout", "0s"), failed + "ProbeTimeout: 0s is too short"},
		{"a queue without room", set("HandoffQueueDepth", 0), failed + "HandoffQueueDepth: 0 is less than 1"},
		{"text for a number", set("SuspicionMult", "4"), failed + "SuspicionMult: json: cannot unmarshal string into Go value of type int"},
		{"text for a boolean", set("EnableCompression", "yes"), failed + "EnableCompression: json: cannot unmarshal string into Go value of type bool"},
	}
	for key := range tuningFile() {
		tests = append(tests, struct {
			name string
			edit func(map[string]any)
			want string
		}{"no " + key, func(m map[string]any) { delete(m, key) }, failed + key + ": missing"})
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()

			values := tuningFile()
			tc.edit(values)
			file, err := json.Marshal(values)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if _, err := ParseTuning(file); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("error is %q, want %q", got, tc.want)
			}
		})
	}

	if _, err := ParseTuning([]byte("{")); err == nil || !strings.HasPrefix(err.Error(), failed) {
		t.Errorf("half a file: %v", err)
	}
}

// TestTuningReachesMemberlist: a file with the LAN defaults is the LAN
// defaults, whatever the base, and every key arrives in its own field.
func TestTuningReachesMemberlist(t *testing.T) {
	t.Parallel()

	file, err := json.Marshal(tuningFile())
	if err != nil {
		t.Fatal(err)
	}
	tuning, err := ParseTuning(file)
	if err != nil {
		t.Fatal(err)
	}
	got := &memberlist.Config{}
	tuning.apply(got)
	if diff := cmp.Diff(timing(memberlist.DefaultLANConfig()), timing(got)); diff != "" {
		t.Errorf("LAN defaults (-want +got):\n%s", diff)
	}

	// Distinct values tell swapped fields.
	n := 0
	for _, s := range tuning.settings() {
		n++
		switch into := s.into.(type) {
		case *time.Duration:
			*into = time.Duration(n)
		case *int:
			*into = n
		}
	}
	tuning.apply(got)
	var back Tuning
	if err := json.Unmarshal(mustJSON(t, timing(got)), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tuning, back); diff != "" {
		t.Errorf("distinct values (-want +got):\n%s", diff)
	}
}

// timing picks the tuned fields of a configuration by their names.
func timing(c *memberlist.Config) map[string]any {
	return map[string]any{
		"TCPTimeout": c.TCPTimeout, "IndirectChecks": c.IndirectChecks, "RetransmitMult": c.RetransmitMult,
		"SuspicionMult": c.SuspicionMult, "SuspicionMaxTimeoutMult": c.SuspicionMaxTimeoutMult,
		"PushPullInterval": c.PushPullInterval, "ProbeTimeout": c.ProbeTimeout, "ProbeInterval": c.ProbeInterval,
		"DisableTCPPings": c.DisableTcpPings, "AwarenessMaxMultiplier": c.AwarenessMaxMultiplier,
		"GossipNodes": c.GossipNodes, "GossipInterval": c.GossipInterval, "GossipToTheDeadTime": c.GossipToTheDeadTime,
		"GossipVerifyIncoming": c.GossipVerifyIncoming, "GossipVerifyOutgoing": c.GossipVerifyOutgoing,
		"EnableCompression": c.EnableCompression, "HandoffQueueDepth": c.HandoffQueueDepth,
		"UDPBufferSize": c.UDPBufferSize, "QueueCheckInterval": c.QueueCheckInterval,
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}

	return b
}

// TestDefaults: LAN unless WAN is asked for, and a tuning replaces both.
func TestDefaults(t *testing.T) {
	t.Parallel()

	tuning := fast()
	tuned := &memberlist.Config{}
	tuning.apply(tuned)
	tests := []struct {
		name    string
		options Options
		want    *memberlist.Config
	}{
		{"LAN", Options{}, memberlist.DefaultLANConfig()},
		{"WAN", Options{WAN: true}, memberlist.DefaultWANConfig()},
		{"tuned", Options{WAN: true, Tuning: &tuning}, tuned},
	}
	for _, tc := range tests {
		tc.options.Node, tc.options.BindAddr, tc.options.Key = "n1", address(1), []byte("key")
		l, err := New(tc.options)
		if err != nil {
			t.Fatal(err)
		}
		s := &session{List: l, keys: l.wanted().keys}
		if diff := cmp.Diff(timing(tc.want), timing(s.config(nil))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}
