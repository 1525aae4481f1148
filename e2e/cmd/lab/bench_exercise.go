package main

import (
	"context"
	"errors"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/e2e/kubelet"
	"github.com/clarion-lb/clarion/e2e/lab"
)

// exercise is something that happens to the owner of an address, and how it comes back.
type exercise struct {
	name  string // for the command line
	steps []step
}

// step is a part of an exercise.
type step struct {
	row     string // of the table; "" if it is not measured
	returns bool   // the addresses come back to the node
	planned bool   // nothing should be lost
	// begin does what happens, and returns what tells whether it is over.
	begin func(context.Context, *observation, *lab.Node) (over, error)
}

// over reports whether a step has been completed, but for some last answers.
type over func() (bool, error)

func exercises() []exercise {
	return []exercise{
		{"node-dies", []step{{row: "node dies", begin: kill}, {begin: boot}}},
		{"cable-cut", []step{{row: "cable cut", begin: cutCable}, {row: "fail-back", returns: true, planned: true, begin: plugCable}}},
		{"speaker", []step{
			{row: "speaker SIGTERM", planned: true, begin: deletePod},
			{begin: wait},
			// A new Pod: one that has crashed before would be made to wait by the kubelet.
			{row: "speaker SIGKILL", planned: true, begin: crash},
			{begin: wait},
		}},
		{"drain", []step{{row: "drain", planned: true, begin: drain}, {row: "drain ends", returns: true, planned: true, begin: endDrain}}},
	}
}

func kill(_ context.Context, o *observation, node *lab.Node) (over, error) {
	moved := o.moved(node)
	return moved, node.Kill()
}

func boot(ctx context.Context, o *observation, node *lab.Node) (over, error) {
	// It needs what it is to run.
	if err := o.stage.lab.APIServer().Start(ctx); err != nil {
		return nil, err
	}
	return o.settled(), node.Boot(ctx)
}

func cutCable(_ context.Context, o *observation, node *lab.Node) (over, error) {
	moved := o.moved(node)
	return moved, node.CutCable()
}

func plugCable(_ context.Context, o *observation, node *lab.Node) (over, error) {
	return o.settled(), node.PlugCable()
}

// wait waits until all addresses are back.
func wait(_ context.Context, o *observation, _ *lab.Node) (over, error) { return o.settled(), nil }

// deletePod deletes the speaker's Pod, as a rolling update does: the speaker gets SIGTERM, and when it has ended there is another Pod.
func deletePod(ctx context.Context, o *observation, node *lab.Node) (over, error) {
	process, err := speaker(node)
	if err != nil {
		return nil, err
	}
	moved := o.moved(node)
	pods := o.stage.lab.Clientset().CoreV1().Pods(lab.ProductNamespace)
	if err := pods.Delete(ctx, process.Pod.Name, metav1.DeleteOptions{}); err != nil {
		return nil, err
	}
	return func() (bool, error) {
		now, err := speaker(node)
		ended := err != nil || now.ID != process.ID
		done, _ := moved()
		return done && ended, nil
	}, nil
}

// crash kills the speaker. That is over when the one after it answers, or when the address has moved all the same.
func crash(_ context.Context, o *observation, node *lab.Node) (over, error) {
	process, err := speaker(node)
	if err != nil {
		return nil, err
	}
	moved := o.moved(node)
	var restarted time.Time
	return func() (bool, error) {
		if now, err := speaker(node); restarted.IsZero() && err == nil && now.ID != process.ID {
			restarted = time.Now()
		}
		if !restarted.IsZero() && o.claimedSince(restarted, func(by string) bool { return by == node.Name() }) {
			return true, nil
		}
		return moved()
	}, process.Signal(syscall.SIGKILL)
}

func drain(ctx context.Context, o *observation, node *lab.Node) (over, error) {
	moved := o.moved(node)
	return moved, o.stage.patchNode(ctx, node, `{"spec":{"unschedulable":true},"metadata":{"annotations":{"metallb.io/drain":"true"}}}`)
}

func endDrain(ctx context.Context, o *observation, node *lab.Node) (over, error) {
	return o.settled(), o.stage.patchNode(ctx, node, `{"spec":{"unschedulable":false},"metadata":{"annotations":{"metallb.io/drain":null}}}`)
}

func (s *stage) patchNode(ctx context.Context, node *lab.Node, patch string) error {
	_, err := s.lab.Clientset().CoreV1().Nodes().Patch(ctx, node.Name(), types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	return err
}

// moved returns what tells whether, from now on, others have claimed all addresses.
func (o *observation) moved(from *lab.Node) over {
	since := time.Now()
	return func() (bool, error) {
		return o.claimedSince(since, func(by string) bool { return by != from.Name() }), nil
	}
}

// speaker returns the one that runs on a node.
func speaker(node *lab.Node) (kubelet.Process, error) {
	processes, err := node.Processes(lab.SpeakerPods)
	if err != nil {
		return kubelet.Process{}, err
	}
	if len(processes) != 1 {
		return kubelet.Process{}, errors.New("not one speaker runs on " + node.Name())
	}
	return processes[0], nil
}
