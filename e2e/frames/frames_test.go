package frames_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/clarion-lb/clarion/e2e/frames"
	"github.com/clarion-lb/clarion/e2e/network"
	"github.com/clarion-lb/clarion/e2e/sandbox"
)

func TestMain(m *testing.M) {
	//nolint:forbidigo // this is the main of the test binary
	os.Exit(sandbox.Run(sandbox.Options{}, func(context.Context) int { return m.Run() }))
}

// A kernel is the oracle for the frames we make and for our reading of those it makes.
func TestAskAndWatch(t *testing.T) {
	t.Parallel()
	sw, err := network.NewSwitch(t.Context(), "switch")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sw.Close)
	hosts := map[string]*network.Host{}
	for i, name := range []string{"asker", "holder", "bystander"} {
		hosts[name], err = network.NewHost(sw, network.HostOptions{
			Name: name, MAC: net.HardwareAddr{0x00, 0x00, 0x5e, 0x00, 0x53, byte(i + 1)},
			Addresses: []netip.Prefix{
				netip.MustParsePrefix(fmt.Sprintf("192.0.2.%d/24", i+1)), netip.MustParsePrefix(fmt.Sprintf("2001:db8:0:1::%d/64", i+1)),
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(hosts[name].Close)
	}
	sender, err := frames.NewSender(hosts["asker"])
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close() //nolint:errcheck // nothing is sent any more
	asker, holder := frames.MAC(hosts["asker"].MAC()), frames.MAC(hosts["holder"].MAC())
	for _, v6 := range []bool{false, true} {
		capture, err := frames.Watch(sw)
		if err != nil {
			t.Fatal(err)
		}
		target, from := hosts["holder"].Address(v6), hosts["asker"].Address(v6)
		if err := sender.Ask(target); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
		all, err := capture.Stop()
		if err != nil {
			t.Fatal(err)
		}
		var got []frames.Record
		for _, r := range all {
			if r.Target == target || r.Sender == target {
				got = append(got, r)
			}
		}
		want := []frames.Record{
			{Port: "asker", Kind: frames.ARPRequest, Source: asker, Destination: frames.Broadcast(), Sender: from, Target: target, Link: asker},
			{Port: "holder", Kind: frames.ARPReply, Source: holder, Destination: asker, Sender: target, Target: from, Link: holder},
		}
		if v6 {
			want = []frames.Record{
				{Port: "asker", Kind: frames.NeighborSolicitation, Source: asker, Destination: frames.MAC{0x33, 0x33, 0xff, 0, 0, 2}, Sender: from, Target: target, Link: asker},
				{Port: "holder", Kind: frames.NeighborAdvertisement, Source: holder, Destination: asker, Sender: target, Target: target, Link: holder, Solicited: true, Override: true},
			}
		}
		options := []cmp.Option{cmpopts.IgnoreFields(frames.Record{}, "At"), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })}
		if diff := cmp.Diff(want, got[:min(2, len(got))], options...); diff != "" {
			t.Errorf("frames for %s (-want +got):\n%s", target, diff)
		}
		if diff := cmp.Diff([]string{"holder"}, frames.Claimants(all, target)); diff != "" {
			t.Errorf("claimants of %s (-want +got):\n%s", target, diff)
		}
	}
}

func TestOverlaps(t *testing.T) {
	t.Parallel()
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	addr := netip.MustParseAddr("203.0.113.1")
	// Each letter is a claim by the node of that name, a millisecond apart; a dot is a millisecond without any.
	tests := map[string]struct {
		claims string
		want   []string
	}{
		"one holder":                  {"aaaaaaaaaa", nil},
		"clean handover":              {"aaaaabbbbb", nil},
		"handover and back after gap": {"aaabbbbbbbbaaa", nil},
		"one stray answer":            {"aaabaaa", []string{"a b 3 3"}},
		"handover with an overlap":    {"aaababbbb", []string{"a b 3 4"}},
		"fight":                       {"abababab", []string{"a b 1 6"}},
		"two overlaps apart":          {"aba........aba", []string{"a b 1 1", "a b 12 12"}},
		"three at once":               {"abcabc", []string{"a b 1 3", "a c 2 3", "b c 2 4"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var records []frames.Record
			for i, who := range tt.claims {
				if who != '.' {
					records = append(records, frames.Record{
						At: start.Add(time.Duration(i) * time.Millisecond), Port: string(who), Kind: frames.ARPReply, Sender: addr,
					})
				}
			}
			var got []string
			for _, o := range frames.Overlaps(records, 5*time.Millisecond) {
				got = append(got, fmt.Sprintf("%s %s %d %d", o.Ports[0], o.Ports[1], o.From.Sub(start).Milliseconds(), o.To.Sub(start).Milliseconds()))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("overlaps of %s (-want +got):\n%s", tt.claims, diff)
			}
		})
	}
}
