package lab

import (
	"context"
	"path/filepath"
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
