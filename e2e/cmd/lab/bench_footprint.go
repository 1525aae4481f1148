package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/clarion-lb/clarion/e2e/artifacts"
	"github.com/clarion-lb/clarion/e2e/lab"
)

// footprintBench measures what it costs a speaker to own many addresses while nothing happens.
type footprintBench struct {
	services int
	settle   time.Duration
	watch    time.Duration
}

func footprintCommand() *cobra.Command {
	b := footprint()
	cmd := &cobra.Command{
		Use:   "footprint",
		Short: "Measure what it costs a speaker to own many addresses",
		Long: `Create many Services on a lab of one node, which then owns all their addresses, and wait until all is written. What is printed is the
resident memory of the speaker, now and at its highest, and the share of one core that it uses while nothing happens. That includes its caches of
the API, heartbeats to nobody, and the announcements that keep switches from forgetting.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return onLabs(b.run) },
	}
	f := cmd.Flags()
	f.IntVar(&b.services, "services", b.services, "how many Services, each with an IPv4 address")
	f.DurationVar(&b.watch, "watch", b.watch, "for how long its CPU time is watched")
	return cmd
}

// footprint returns the bench at its defaults.
func footprint() footprintBench {
	return footprintBench{services: 5000, settle: time.Minute, watch: 2 * time.Minute}
}

func (b *footprintBench) run(ctx context.Context, programs artifacts.Set) (err error) {
	l, err := lab.Start(ctx, lab.Options{Programs: programs, Nodes: 1})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Stop(context.WithoutCancel(ctx))) }()
	if err := l.Install(ctx); err != nil {
		return err
	}
	if err := b.fill(ctx, l); err != nil {
		return err
	}
	processes, err := l.Nodes()[0].Processes(lab.SpeakerPods)
	if err != nil {
		return err
	}
	if len(processes) != 1 {
		return fmt.Errorf("%d speakers run, want one", len(processes))
	}
	pid := processes[0].PID
	time.Sleep(b.settle)
	before := cpuOf(pid)
	time.Sleep(b.watch)
	used := cpuOf(pid) - before
	_, err = fmt.Fprintf(os.Stdout, "\n%9s  %7s  %8s  %s\n%9d  %4d MB  %5d MB  %.2f %% of a core, over %s\n",
		"ADDRESSES", "RSS", "PEAK RSS", "IDLE CPU", b.services, memoryOf(pid, "VmRSS")>>10, memoryOf(pid, "VmHWM")>>10,
		100*used.Seconds()/b.watch.Seconds(), b.watch)
	return err
}

// fill makes the Services and returns when the speaker has announced the address of each, and said so.
func (b *footprintBench) fill(ctx context.Context, l *lab.Lab) error {
	if err := l.AddPool(ctx, "footprint", "10.10.0.0/16"); err != nil {
		return err
	}
	if err := l.Announce(ctx, "footprint"); err != nil {
		return err
	}
	if err := l.AddWorkload(ctx, lab.Workload{Name: "pods", Type: corev1.ServiceTypeClusterIP}); err != nil {
		return err
	}
	var next atomic.Int64
	failures := make([]error, benchClients)
	var group sync.WaitGroup
	for client := range benchClients {
		group.Go(func() {
			for i := int(next.Add(1)); i <= b.services && failures[client] == nil; i = int(next.Add(1)) {
				service := benchService(fmt.Sprintf("svc-%05d", i))
				service.Spec.Selector = map[string]string{"app": "pods"}
				service.Spec.IPFamilies = []corev1.IPFamily{corev1.IPv4Protocol}
				_, failures[client] = l.Clientset().CoreV1().Services("default").Create(ctx, service, metav1.CreateOptions{})
			}
		})
	}
	group.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	for {
		n, err := announced(ctx, l)
		if err != nil || n >= b.services {
			return err
		}
		fmt.Fprintf(os.Stderr, "%d of %d addresses are announced\n", n, b.services)
		select {
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// announced counts the ServiceL2Status objects.
func announced(ctx context.Context, l *lab.Lab) (int, error) {
	out, err := l.Kubectl(ctx, "get", "--raw", "/apis/metallb.io/v1beta1/namespaces/"+lab.ProductNamespace+"/servicel2statuses?limit=1")
	if err != nil {
		return 0, err
	}
	var list metav1.PartialObjectMetadataList
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		return 0, err
	}
	n := len(list.Items)
	if list.RemainingItemCount != nil {
		n += int(*list.RemainingItemCount)
	}
	return n, nil
}
