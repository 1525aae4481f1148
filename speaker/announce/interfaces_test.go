package announce_test

import (
	"net/netip"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// TestWhyAnInterfaceCannot defends P7: whoever selects an interface is told what
// is wrong with it.
func TestWhyAnInterfaceCannot(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		link string // empty: there is none
		v6   bool
		want string
	}{
		{link: "", want: "(eth1 is not there) can answer ARP"},
		{link: "eth1:down", want: "(eth1 is down) can answer ARP"},
		{link: "eth1:no-carrier", want: "(eth1 has no carrier) can answer ARP"},
		{link: "eth1:no-arp", want: "(eth1 has ARP switched off) can answer ARP"},
		{link: "eth1:no-mac", want: "(eth1 is no Ethernet interface) can answer ARP"},
		{link: "eth1:in-bridge", want: "(eth1 is part of br0) can answer ARP"},
		{link: "eth1:no-broadcast", want: "(eth1 has no broadcast) can answer ARP"},
		{link: "eth1:no-link-local", v6: true, want: "(eth1 has no link-local address) can answer NDP"},
		{link: "eth12", want: "(eth1 is not there) can answer ARP; eth12 could"},
	} {
		w := threeNodes(t, func(o *config.Objects) {
			o.Nodes = o.Nodes[:1]
			o.L2Advertisements = []v1beta1.L2Advertisement{{
				ObjectMeta: metav1.ObjectMeta{Name: "one"}, Spec: v1beta1.L2AdvertisementSpec{Interfaces: []string{"eth1"}},
			}}
		})
		if tt.v6 {
			w.shared.Services[0].Addresses = []netip.Addr{netip.MustParseAddr("2001:db8::1")}
		}
		local := announce.Local{Node: "node-a", Exclude: []*regexp.Regexp{regexp.MustCompile("^docker")}}
		if tt.link != "" {
			local.Links = []announce.Link{linkOf(tt.link)}
		}
		for _, v := range announce.Decide(w.snap, announce.View{Shared: w.shared, Local: local}).Verdicts {
			if v.Protocol != announce.Layer2 {
				continue
			}
			if diff := cmp.Diff("none of the selected interfaces "+tt.want, v.Detail); diff != "" || v.Reason != announce.NoInterface {
				t.Errorf("%q: %s (-want +got):\n%s", tt.link, v.Reason, diff)
			}
		}
	}
}
