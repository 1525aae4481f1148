package kube

import (
	"context"
	"log/slog"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/clarion-lb/clarion/api/v1beta1"
	"github.com/clarion-lb/clarion/api/v1beta2"
	"github.com/clarion-lb/clarion/config"
)

// complaints tells the user of each problem once, in the log and in an Event
// on the object that has it. One goroutine uses it.
type complaints struct {
	reader client.Reader
	events events.EventRecorder
	log    *slog.Logger
	said   []config.Problem
}

func (c *complaints) tell(ctx context.Context, problems []config.Problem) {
	for _, p := range problems {
		if slices.Contains(c.said, p) {
			continue
		}
		c.log.Warn("object not in force", "kind", p.Kind, "name", p.Name, "field", p.Field, "value", p.Value, "reason", p.Reason)
		if obj := blank(p.Kind); obj != nil && c.reader.Get(ctx, types.NamespacedName{Namespace: p.Namespace, Name: p.Name}, obj) == nil {
			c.events.Eventf(obj, nil, corev1.EventTypeWarning, v1beta1.ReasonConfigurationError, "Compile", "%s", shorten(p.Error()))
		}
	}
	c.said = slices.Clone(problems)
}

// blank returns an empty object of a kind that Compile reports on.
func blank(kind string) client.Object {
	switch kind {
	case "IPAddressPool":
		return &v1beta1.IPAddressPool{}
	case "L2Advertisement":
		return &v1beta1.L2Advertisement{}
	case "BGPAdvertisement":
		return &v1beta1.BGPAdvertisement{}
	case "BGPPeer":
		return &v1beta2.BGPPeer{}
	case "Community":
		return &v1beta1.Community{}
	case "BFDProfile":
		return &v1beta1.BFDProfile{}
	}
	return nil
}
