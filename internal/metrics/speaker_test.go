package metrics

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/bgp/bfd"
	"github.com/clarion-lb/clarion/layer2"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// TestVerdicts: an address of a pool that only routers are told of is announced
// once, and not missing at layer 2.
func TestVerdicts(t *testing.T) {
	t.Parallel()

	reg := prometheus.NewRegistry()
	s, err := NewSpeaker(reg, "node-a", Engines{
		Layer2: func() layer2.Status { return layer2.Status{} },
		BGP:    func() bgp.Status { return bgp.Status{} },
		BFD:    func() bfd.Status { return bfd.Status{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	key := func(p announce.Protocol) announce.Key {
		return announce.Key{
			Service: types.NamespacedName{Namespace: "default", Name: "web"}, Addr: netip.MustParseAddr("192.0.2.1"), Protocol: p,
		}
	}
	say := func(verdicts ...announce.Verdict) {
		var r announce.Revision
		for _, v := range verdicts {
			r.Changed = append(r.Changed, announce.Change{Verdict: v})
		}
		s.Report(r)
	}
	want := func(name, help, samples string) {
		t.Helper()
		text := "# HELP " + name + " " + help + "\n# TYPE " + name + " gauge\n" + samples
		if err := testutil.GatherAndCompare(reg, strings.NewReader(text), name); err != nil {
			t.Error(err)
		}
	}
	const (
		verdicts  = "Addresses of Services by what this node does about them; the reason is the word logs and Events use."
		announced = "1 for each address of a Service that this node announces."
	)

	say(
		announce.Verdict{Key: key(announce.BGP), Reason: announce.Announced, Peers: []string{"tor-1"}},
		announce.Verdict{Key: key(announce.Layer2), Reason: announce.NoMatchingAdvertisement, Quiet: true},
	)
	want("metallb_speaker_verdicts", verdicts, `metallb_speaker_verdicts{protocol="bgp",reason="announced"} 1
`)
	want("metallb_speaker_announced", announced, `metallb_speaker_announced{ip="192.0.2.1",node="node-a",protocol="bgp",service="default/web"} 1
`)
	say(announce.Verdict{Key: key(announce.BGP), Reason: announce.NoEndpoints})
	want("metallb_speaker_verdicts", verdicts, `metallb_speaker_verdicts{protocol="bgp",reason="announced"} 0
metallb_speaker_verdicts{protocol="bgp",reason="noEndpoints"} 1
`)
}
