package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/clarion-lb/clarion/api/v1beta2"
	"github.com/clarion-lb/clarion/config"
)

func basicAuth(namespace, name, password string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name,
			Annotations: map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "user name and all"},
		},
		Type: corev1.SecretTypeBasicAuth,
		Data: map[string][]byte{"username": []byte("nobody"), corev1.BasicAuthPasswordKey: []byte(password)},
	}
}

// TestTrimSecret: no more of a Secret stays in memory than the password.
func TestTrimSecret(t *testing.T) {
	t.Parallel()

	got, err := trimSecret(basicAuth(testNamespace, "tor", "open sesame"))
	if err != nil {
		t.Fatal(err)
	}
	want := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: "tor"},
		Type:       corev1.SecretTypeBasicAuth,
		Data:       map[string][]byte{corev1.BasicAuthPasswordKey: []byte("open sesame")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestPasswordsOfPeers: the speaker compiles with the Secrets that peers name
// and no others; the controller, which may read none, does not miss them.
func TestPasswordsOfPeers(t *testing.T) {
	t.Parallel()

	peer := &v1beta2.BGPPeer{
		ObjectMeta: metav1.ObjectMeta{Namespace: testNamespace, Name: "tor"},
		Spec: v1beta2.BGPPeerSpec{
			MyASN: 64496, PeerASN: 64497, PeerAddress: "192.0.2.1",
			PasswordSecret: &corev1.SecretReference{Name: "tor-password"},
		},
	}
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	none := fake.NewClientBuilder().WithScheme(scheme).WithObjects(peer).Build()
	all := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		peer, basicAuth(testNamespace, "tor-password", "open sesame"),
		basicAuth(testNamespace, "unrelated", "x"), basicAuth("default", "tor-password", "y"),
	).Build()
	for name, tt := range map[string]struct {
		api      client.Reader
		speaker  bool
		secrets  int
		problems int
	}{
		"speaker":                {all, true, 1, 0},
		"speaker, no Secret":     {none, true, 0, 1},
		"controller":             {none, false, 0, 0},
		"controller, they exist": {all, false, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			o, err := readObjects(t.Context(), tt.api, tt.speaker)
			if err != nil {
				t.Fatal(err)
			}
			snap, problems := config.Compile(o)
			if len(o.Secrets) != tt.secrets || len(problems) != tt.problems {
				t.Errorf("%d Secrets, problems %v; want %d and %d", len(o.Secrets), problems, tt.secrets, tt.problems)
			}
			if tt.speaker && tt.problems == 0 && snap.Peers[0].Session.Password != "open sesame" {
				t.Error("the password is not that of the Secret")
			}
		})
	}
}
