package kube

import (
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/clarion-lb/clarion/config"
)

// TestTroubles defends P7: what ails a node is told once, wherever it was found,
// and no longer once it is over.
func TestTroubles(t *testing.T) {
	t.Parallel()

	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	heard := events.NewFakeRecorder(100)
	tr := newTroubles("node-a", slog.New(slog.DiscardHandler))
	tr.events, tr.reader = heard, fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-a"}},
	).Build()
	list := config.Problem{Kind: "ConfigMap", Name: "metallb-excludel2", Field: "excludel2.yaml", Reason: "it is no list"}
	kernel := config.Problem{Kind: "Interface", Name: "eth0", Field: "net.ipv4.conf.eth0.arp_ignore", Value: "0", Reason: "the kernel answers, too"}

	for _, step := range []struct {
		by    string
		found []config.Problem
		want  []config.Problem
		event string
	}{
		{"list", []config.Problem{list}, []config.Problem{list}, "Warning ConfigurationError ConfigMap metallb-excludel2: excludel2.yaml: it is no list"},
		{"kernel", []config.Problem{kernel}, []config.Problem{kernel, list}, `Warning ConfigurationError Interface eth0: net.ipv4.conf.eth0.arp_ignore: invalid value "0": the kernel answers, too`},
		{"kernel", []config.Problem{kernel}, []config.Problem{kernel, list}, ""},
		{"list", nil, []config.Problem{kernel}, ""},
		{"kernel", nil, nil, ""},
	} {
		tr.found(step.by, step.found)
		got := tr.all()
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		tr.tell(t.Context(), got)
		event := ""
		if len(heard.Events) > 0 {
			event = <-heard.Events
		}
		if event != step.event || len(heard.Events) > 0 {
			t.Errorf("Event %q and %d more, want %q", event, len(heard.Events), step.event)
		}
	}
}
