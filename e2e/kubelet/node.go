package kubelet

import (
	"context"
	"maps"
	"runtime"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/apimachinery/lease"
	"k8s.io/utils/clock"
)

const (
	// Kubernetes' own numbers: a node is given up 40 s after its last renewal, and renews four times in that time.
	leaseDuration = 40 * time.Second
	leaseRenewal  = 10 * time.Second
	// statusPeriod is how often an unchanged status is written again.
	statusPeriod = 5 * time.Minute
)

// register makes the Node object, or takes over the one an earlier life of this node left. It tries until ctx ends.
func (k *Kubelet) register(ctx context.Context) error {
	for {
		err := k.tryRegister(ctx)
		if err == nil {
			return nil
		}
		k.log.Warn("failed to register the node, trying again", "error", err)
		if !pause(ctx, time.Second) {
			return context.Cause(ctx)
		}
	}
}

func (k *Kubelet) tryRegister(ctx context.Context) error {
	node := k.node()
	status := node.Status
	_, err := k.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	existing, err := k.client.CoreV1().Nodes().Get(ctx, k.name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	existing.Status = status
	_, err = k.client.CoreV1().Nodes().UpdateStatus(ctx, existing, metav1.UpdateOptions{})
	return err
}

func (k *Kubelet) node() *corev1.Node {
	labels := map[string]string{
		corev1.LabelHostname:   k.name,
		corev1.LabelOSStable:   runtime.GOOS,
		corev1.LabelArchStable: runtime.GOARCH,
	}
	maps.Copy(labels, k.options.Labels)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: k.name, Labels: labels}}
	for _, prefix := range k.options.PodCIDRs {
		node.Spec.PodCIDRs = append(node.Spec.PodCIDRs, prefix.String())
	}
	node.Spec.PodCIDR = node.Spec.PodCIDRs[0]
	node.Status = k.nodeStatus()
	return node
}

func (k *Kubelet) nodeStatus() corev1.NodeStatus {
	now := metav1.Now()
	healthy := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason string) corev1.NodeCondition {
		return corev1.NodeCondition{Type: kind, Status: status, Reason: reason, LastHeartbeatTime: now, LastTransitionTime: now}
	}
	return corev1.NodeStatus{
		Capacity:    capacity(),
		Allocatable: capacity(),
		Conditions: []corev1.NodeCondition{
			healthy(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory"),
			healthy(corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure"),
			healthy(corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID"),
			healthy(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady"),
		},
		Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeInternalIP, Address: k.options.Host.Address(false).String()},
			{Type: corev1.NodeInternalIP, Address: k.options.Host.Address(true).String()},
			{Type: corev1.NodeHostName, Address: k.name},
		},
		DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: serverPort}},
		NodeInfo: corev1.NodeSystemInfo{
			MachineID: k.name, SystemUUID: k.name, BootID: k.name,
			OSImage: "Clarion lab", ContainerRuntimeVersion: "box://1", KubeletVersion: kubeletVersion,
			OperatingSystem: runtime.GOOS, Architecture: runtime.GOARCH, KernelVersion: "lab",
		},
	}
}

// capacity is what every node says it has. Nothing is limited to it; it is there for the scheduler.
func capacity() corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("8"),
		corev1.ResourceMemory: resource.MustParse("16Gi"),
		corev1.ResourcePods:   resource.MustParse("110"),
	}
}

// kubeletVersion must not be newer than the API server's; the tests hold it to the version in go.mod.
const kubeletVersion = "v1.36.3"

// keepLease renews the node's lease until ctx ends.
func (k *Kubelet) keepLease(ctx context.Context) {
	seconds := int32(leaseDuration / time.Second)
	controller := lease.NewController(clock.RealClock{}, k.client, k.name, seconds, nil, leaseRenewal, k.name, corev1.NamespaceNodeLease, nil)
	controller.Run(ctx)
}

// keepStatus writes the node's status again now and then, and at once after something else has changed it: the controller manager
// marks a node unknown whose lease it missed.
func (k *Kubelet) keepStatus(ctx context.Context) {
	for wrote := time.Now(); pause(ctx, leaseRenewal); {
		node, err := k.client.CoreV1().Nodes().Get(ctx, k.name, metav1.GetOptions{})
		if err != nil {
			if ctx.Err() == nil && !strings.Contains(err.Error(), "connection refused") {
				k.log.Debug("failed to read the node", "error", err)
			}
			continue
		}
		if ready(node) && time.Since(wrote) < statusPeriod {
			continue
		}
		node.Status = k.nodeStatus()
		if _, err := k.client.CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{}); err == nil {
			wrote = time.Now()
		}
	}
}

func ready(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
