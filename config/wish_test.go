package config

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/api/v1beta1"
)

func TestRetention(t *testing.T) {
	t.Parallel()

	for name, tt := range map[string]struct {
		annotations map[string]string
		want        time.Duration
		problem     string
	}{
		"not set":   {nil, time.Minute, ""},
		"longer":    {map[string]string{AnnotationRetention: "1h30m"}, 90 * time.Minute, ""},
		"none":      {map[string]string{AnnotationRetention: "0"}, 0, ""},
		"negative":  {map[string]string{AnnotationRetention: "-1m"}, time.Minute, `IPAddressPool p: metadata.annotations[metallb.io/address-retention]: invalid value "-1m": must be a duration such as "30m", or "0"`},
		"no number": {map[string]string{AnnotationRetention: "long"}, time.Minute, `IPAddressPool p: metadata.annotations[metallb.io/address-retention]: invalid value "long": must be a duration such as "30m", or "0"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			pool := v1beta1.IPAddressPool{ObjectMeta: metav1.ObjectMeta{Name: "p", Annotations: tt.annotations}}
			pool.Spec.Addresses = []string{"192.0.2.0/24"}
			snap, problems := Compile(Objects{Pools: []v1beta1.IPAddressPool{pool}, Retention: time.Minute})
			got := ""
			for _, p := range problems {
				got += p.Error()
			}
			if got != tt.problem || snap.Pools[0].Retention != tt.want {
				t.Errorf("got %s and %q, want %s and %q", snap.Pools[0].Retention, got, tt.want, tt.problem)
			}
		})
	}
}

func TestMode(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]struct{ proxy, problem bool }{
		"": {}, "VIP": {}, "Proxy": {proxy: true}, "proxy": {problem: true},
	} {
		svc := ParseService(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"metallb.io/ip-mode": text}}})
		if svc.Proxy != want.proxy || (len(svc.Problems) > 0) != want.problem {
			t.Errorf("%q: proxy is %t, problems %v", text, svc.Proxy, svc.Problems)
		}
	}
}

func TestConflictDetection(t *testing.T) {
	t.Parallel()

	for value, want := range map[string]struct {
		ignored bool
		problem string
	}{
		"on":  {false, ""},
		"off": {true, ""},
		"Off": {false, `IPAddressPool p: metadata.annotations[metallb.io/conflict-detection]: invalid value "Off": must be "on" or "off"`},
		"":    {false, `IPAddressPool p: metadata.annotations[metallb.io/conflict-detection]: must be "on" or "off"`},
	} {
		pool := v1beta1.IPAddressPool{ObjectMeta: metav1.ObjectMeta{Name: "p", Annotations: map[string]string{AnnotationConflictDetection: value}}}
		pool.Spec.Addresses = []string{"192.0.2.0/24"}
		snap, problems := Compile(Objects{Pools: []v1beta1.IPAddressPool{pool}})
		var got string
		if len(problems) > 0 {
			got = problems[0].Error()
		}
		if got != want.problem || snap.Pools[0].IgnoreConflicts != want.ignored {
			t.Errorf("%q: got %v and %q, want %v and %q", value, snap.Pools[0].IgnoreConflicts, got, want.ignored, want.problem)
		}
	}
}
