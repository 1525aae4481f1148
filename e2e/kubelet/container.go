package kubelet

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/e2e/box"
	"github.com/clarion-lb/clarion/e2e/process"
)

const (
	// The first restart is immediate, later ones wait from firstBackoff, doubling, to lastBackoff; a run of steadyAfter resets that.
	firstBackoff = time.Second
	lastBackoff  = 30 * time.Second
	steadyAfter  = time.Minute
)

// container runs one container of a Pod, again and again if need be.
type container struct {
	pod  *pod
	spec *corev1.Container

	// Facts, guarded by pod.mu and changed through pod.note.
	run     int    // how many times it has started, less one; -1 before the first
	id      string // of the latest run, unlike any other's; "" before the first
	state   corev1.ContainerState
	last    corev1.ContainerState
	started bool // the start-up probe has passed, or there is none
	ready   bool // the readiness probe passes, or there is none
	process *process.Process
}

func newContainer(p *pod, spec *corev1.Container) *container {
	return &container{pod: p, spec: spec, run: -1, state: waiting("ContainerCreating", "")}
}

// sidecar reports whether an init container runs beside the main ones instead of before them.
func (c *container) sidecar() bool {
	return first(c.spec.RestartPolicy, new(corev1.ContainerRestartPolicy(""))) == corev1.ContainerRestartPolicyAlways
}

// keep runs the container until it has ended for good, and reports whether it ended well. When ctx ends the container is killed.
func (c *container) keep(ctx context.Context) bool {
	backoff := time.Duration(0)
	for {
		select {
		case <-c.pod.free():
		case <-c.pod.stopping:
			return false
		case <-ctx.Done():
			return false
		}
		begin := time.Now()
		code, err := c.once(ctx)
		if err != nil {
			c.pod.warn("Failed", err)
			c.pod.note(func() { c.state = waiting("RunContainerError", err.Error()) })
		}
		if stopped(ctx, c.pod.stopping) || (err == nil && !c.restarts(code)) {
			return err == nil && code == 0
		}
		if time.Since(begin) > steadyAfter {
			backoff = 0
		}
		if backoff > 0 || err != nil {
			c.backOff(ctx, max(backoff, firstBackoff), err)
		}
		backoff = min(max(2*backoff, firstBackoff), lastBackoff)
	}
}

// backOff waits before the next start and lets the status say so.
func (c *container) backOff(ctx context.Context, d time.Duration, err error) {
	if err == nil {
		c.pod.note(func() {
			c.last, c.state = c.state, waiting("CrashLoopBackOff", fmt.Sprintf("back-off %s restarting failed container", d))
		})
	}
	waiting, cancel := endWith(ctx, c.pod.stopping)
	defer cancel()
	pause(waiting, d)
}

// restarts reports whether a container that ended with code is to start again.
func (c *container) restarts(code int) bool {
	policy := c.pod.object().Spec.RestartPolicy
	for _, init := range c.pod.init {
		if init == c && !c.sidecar() { // an init container runs until it succeeds, unless the Pod forbids it
			return code != 0 && policy != corev1.RestartPolicyNever
		}
	}
	return c.sidecar() || policy == corev1.RestartPolicyAlways || (policy == corev1.RestartPolicyOnFailure && code != 0)
}

// once runs the container one time and returns its exit code, or an error if it could not be started.
func (c *container) once(ctx context.Context) (int, error) {
	spec, err := c.box(ctx)
	if err != nil {
		return 0, err
	}
	run := c.run + 1
	file := filepath.Join(c.pod.dir, c.spec.Name+".json")
	if err := spec.Save(file); err != nil {
		return 0, err
	}
	log, err := newLogWriter(c.logFile(run))
	if err != nil {
		return 0, err
	}
	defer func() {
		if err := log.Close(); err != nil {
			c.pod.kubelet.log.Warn("failed to finish a log", "pod", c.pod.key(), "error", err)
		}
	}()
	running, err := process.Start(process.Options{ //nolint:contextcheck // attend ends it, with grace
		Name: c.spec.Name, Args: []string{c.pod.kubelet.options.Box, "run", file}, Output: log, CloneFlags: box.CloneFlags,
	})
	if err != nil {
		return 0, err
	}
	begin := metav1.Now()
	// Not the number of the run, which starts anew when the node has crashed.
	id := fmt.Sprintf("box://%s/%s/%d", c.pod.object().UID, c.spec.Name, running.PID())
	c.pod.note(func() {
		if c.state.Terminated != nil {
			c.last = c.state
		}
		c.run, c.id, c.process = run, id, running
		c.state = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: begin}}
		c.started, c.ready = c.spec.StartupProbe == nil, c.spec.StartupProbe == nil && c.spec.ReadinessProbe == nil
	})
	c.attend(ctx, running)
	c.pod.note(func() {
		c.started, c.ready, c.process = false, false, nil
		c.state = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: int32(running.ExitCode()), Reason: reasonOf(running.ExitCode()), StartedAt: begin, FinishedAt: metav1.Now(), ContainerID: id,
		}}
	})
	return running.ExitCode(), nil
}

// attend probes a running container and returns when it has ended, ending it itself when it is unhealthy or no longer wanted.
func (c *container) attend(ctx context.Context, running *process.Process) {
	probing, cancel := context.WithCancel(ctx)
	unhealthy := make(chan string, 1)
	var probes sync.WaitGroup
	probes.Go(func() { c.probe(probing, unhealthy) })
	select {
	case <-running.Done():
	case <-ctx.Done():
		running.Kill()
	case <-c.pod.stopping:
		// Readiness is probed to the end: an endpoint that still serves while it terminates is used as a last resort.
		running.Stop(ctx, c.pod.grace())
	case message := <-unhealthy:
		c.pod.warn("Unhealthy", fmt.Errorf("container %s failed its liveness probe, will be restarted: %s", c.spec.Name, message))
		running.Stop(ctx, c.pod.grace())
	}
	cancel()
	probes.Wait()
}

// box describes the container to package box.
func (c *container) box(ctx context.Context) (box.Spec, error) {
	if c.spec.Lifecycle != nil {
		return box.Spec{}, fmt.Errorf("kubelet: container %s has lifecycle hooks, which the lab has not", c.spec.Name)
	}
	image, err := c.pod.kubelet.options.Images.find(c.spec.Image)
	if err != nil {
		return box.Spec{}, err
	}
	env, err := c.pod.environment(ctx, c.spec, image)
	if err != nil {
		return box.Spec{}, err
	}
	object := c.pod.object()
	command, args := c.spec.Command, c.spec.Args
	if len(command) == 0 {
		command = image.Entrypoint
	}
	spec := box.Spec{
		Args:             append(env.expandAll(command), env.expandAll(args)...),
		Env:              env.list(),
		Dir:              c.spec.WorkingDir,
		Hostname:         c.pod.hostname(),
		NetworkNamespace: c.pod.namespace(),
		Files:            image.Files,
	}
	for _, mount := range c.spec.VolumeMounts {
		for _, volume := range object.Spec.Volumes {
			if volume.Name == mount.Name {
				spec.Mounts = append(spec.Mounts, c.pod.mount(volume, mount, env))
			}
		}
	}
	return spec, applyPrivileges(&spec, object, c.spec, image)
}

// mount says where a volume appears. Everything that comes from the API is read-only.
func (p *pod) mount(volume corev1.Volume, mount corev1.VolumeMount, env *environment) box.Mount {
	source := p.volumeDir(volume.Name)
	if volume.HostPath != nil {
		source = volume.HostPath.Path
	}
	subPath := mount.SubPath
	if mount.SubPathExpr != "" {
		subPath = env.expand(mount.SubPathExpr)
	}
	return box.Mount{
		Path: mount.MountPath, Source: filepath.Join(source, subPath),
		ReadOnly: mount.ReadOnly || (volume.EmptyDir == nil && volume.HostPath == nil),
	}
}

func (c *container) logFile(run int) string {
	return filepath.Join(c.pod.dir, "logs", c.spec.Name, fmt.Sprintf("%d.log", run))
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func reasonOf(code int) string {
	if code == 0 {
		return "Completed"
	}
	return "Error"
}

func stopped(ctx context.Context, stopping <-chan struct{}) bool {
	select {
	case <-stopping:
		return true
	case <-ctx.Done():
		return true
	default:
		return false
	}
}
