package lab

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/clarion-lb/clarion/e2e/frames"
)

// The product's namespace, and label selectors of its Pods.
const (
	ProductNamespace = "metallb-system"
	ControllerPods   = "app=metallb,component=controller"
	SpeakerPods      = "app=metallb,component=speaker"
)

// Install applies deploy/ of the repository, as a user would, and returns when controller and speakers are ready.
func (l *Lab) Install(ctx context.Context) error {
	if _, err := l.Kubectl(ctx, "apply", "-k", filepath.Join(l.options.Programs.Root, "deploy")); err != nil {
		return err
	}
	return l.WaitProduct(ctx)
}

// WaitProduct waits until every controller and speaker that should be ready is.
func (l *Lab) WaitProduct(ctx context.Context) error {
	for _, workload := range []string{"deployment/controller", "daemonset/speaker"} {
		if _, err := l.Kubectl(ctx, "-n", ProductNamespace, "rollout", "status", workload, "--timeout=120s"); err != nil {
			return err
		}
	}
	return nil
}

// AddPool makes an IPAddressPool.
func (l *Lab) AddPool(ctx context.Context, name string, addresses ...string) error {
	return l.Apply(ctx, fmt.Sprintf("apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: %s, namespace: %s}\nspec:\n  addresses:\n  - %s\n",
		name, ProductNamespace, strings.Join(addresses, "\n  - ")))
}

// Announce makes an L2Advertisement that announces a pool of the same name from all nodes.
func (l *Lab) Announce(ctx context.Context, pool string) error {
	return l.Apply(ctx, fmt.Sprintf("apiVersion: metallb.io/v1beta1\nkind: L2Advertisement\nmetadata: {name: %s, namespace: %s}\nspec:\n  ipAddressPools: [%s]\n",
		pool, ProductNamespace, pool))
}

// Owner asks the segment who has an address and returns the host that answers, "" if none does within half a second. More than one
// answer is an error.
func (l *Lab) Owner(addr netip.Addr) (string, error) {
	sender, err := frames.NewSender(l.client)
	if err != nil {
		return "", err
	}
	defer sender.Close() //nolint:errcheck // nothing is sent any more
	capture, err := frames.Watch(l.sw)
	if err != nil {
		return "", err
	}
	asked := sender.Ask(addr)
	time.Sleep(500 * time.Millisecond)
	records, err := capture.Stop()
	if asked != nil {
		return "", asked
	}
	if err != nil {
		return "", err
	}
	answers := frames.Answers(records, addr)
	switch len(answers) {
	case 0:
		return "", nil
	case 1:
		return answers[0].Port, nil
	default:
		return "", fmt.Errorf("lab: %d answers to one question for %s: %v", len(answers), addr, answers)
	}
}

// WaitOwner waits until a host answers for an address, and returns its name.
func (l *Lab) WaitOwner(ctx context.Context, addr netip.Addr) (owner string, err error) {
	err = l.Until(ctx, "somebody answers for "+addr.String(), func(context.Context) (bool, error) {
		owner, err = l.Owner(addr)
		return owner != "", err
	})
	return owner, err
}

// Families returns the family of an address, as a Service wants it.
func Families(addr netip.Addr) []corev1.IPFamily {
	if addr.Is4() {
		return []corev1.IPFamily{corev1.IPv4Protocol}
	}
	return []corev1.IPFamily{corev1.IPv6Protocol}
}
