package kube

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/allocator"
	"github.com/clarion-lb/clarion/config"
)

// TestClaimObject holds that a claim reads as it was written.
func TestClaimObject(t *testing.T) {
	t.Parallel()

	plain := allocator.Holder{Service: types.NamespacedName{Namespace: "default", Name: "web"}, Version: "12", Requested: true}
	shared := allocator.Holder{
		Service: types.NamespacedName{Namespace: "shop", Name: "cart"}, Version: "13", Key: "k", Backend: "app=cart,tier=1",
		Ports: []config.Port{{Protocol: "TCP", Number: 80}, {Protocol: "UDP", Number: 53}},
	}
	stranger := &allocator.Stranger{
		MAC: "02:00:5e:00:53:01", Interface: "eth0", Node: "node-a",
		Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Heard: time.Date(2026, 1, 1, 0, 5, 0, 0, time.UTC),
	}
	for name, c := range map[string]allocator.Claim{
		"one":        {Address: netip.MustParseAddr("192.0.2.1"), Holders: []allocator.Holder{plain}},
		"shared":     {Address: netip.MustParseAddr("2001:db8::1"), Holders: []allocator.Holder{plain, shared}},
		"released":   {Address: netip.MustParseAddr("192.0.2.1"), Holders: []allocator.Holder{plain}, Released: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
		"quarantine": {Address: netip.MustParseAddr("192.0.2.1"), Stranger: stranger},
		"disputed":   {Address: netip.MustParseAddr("192.0.2.1"), Holders: []allocator.Holder{plain}, Stranger: stranger},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			obj, err := newClaimObject(c)
			if err != nil {
				t.Fatal(err)
			}
			got, err := parseClaim(obj)
			if diff := cmp.Diff(c, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" || err != nil {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestClaimOfOthers holds that what we cannot read is not ours to give.
func TestClaimOfOthers(t *testing.T) {
	t.Parallel()

	for name, tt := range map[string]struct {
		label, holders string
		want           string
	}{
		"other manager": {"ipallocator.k8s.io", "", `IPAddress 192.0.2.1 of services default/web, managed by "ipallocator.k8s.io"`},
		"edited":        {managedByUs, "[}", "IPAddress 192.0.2.1 of services default/web, whose annotations are unreadable"},
		"no holders":    {managedByUs, "", "IPAddress 192.0.2.1 of services default/web, whose annotations are unreadable"},
		"bad holder":    {managedByUs, `[{"service":"web"}]`, "IPAddress 192.0.2.1 of services default/web, whose annotations are unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got, err := parseClaim(&networkingv1.IPAddress{
				ObjectMeta: metav1.ObjectMeta{
					Name: "192.0.2.1", Labels: map[string]string{labelManagedBy: tt.label},
					Annotations: map[string]string{annotationHolders: tt.holders},
				},
				Spec: networkingv1.IPAddressSpec{ParentRef: &networkingv1.ParentReference{Resource: "services", Namespace: "default", Name: "web"}},
			})
			if err != nil || got.Foreign != tt.want || len(got.Holders) > 0 {
				t.Errorf("got %+v, %v; want foreign: %s", got, err, tt.want)
			}
		})
	}
}
