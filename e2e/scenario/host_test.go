//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/e2e/lab"
)

// waitForComplaints waits until so many speakers say something in their
// ConfigurationStates.
func waitForComplaints(t *testing.T, speakers int, words string) {
	t.Helper()
	var out string
	until(t, "speakers say "+words, func(ctx context.Context) (_ bool, err error) {
		out, err = cluster.Kubectl(ctx, "-n", lab.ProductNamespace, "get", "configurationstates", "-l", "metallb.io/component-type=speaker",
			"-o", `jsonpath={range .items[*]}{.status.result}{" "}{.status.errorSummary}{"\n"}{end}`)
		return strings.Count(out, words) == speakers, err
	})
}

// TestMountedFilesAreFollowed holds that speakers take up a new key, and a new
// list of interfaces to leave alone, while they run; that one which cannot be read
// changes nothing, keeps no speaker from starting and is said: P6; and that no
// address moves over it: P2.
func TestMountedFilesAreFollowed(t *testing.T) {
	_, addrs := dualWeb(t, 2)
	addr := addrs[0]
	owner, restarts := waitForOwner(t, addr, anyNode), speakerRestarts(t)

	configMaps := cluster.Clientset().CoreV1().ConfigMaps(lab.ProductNamespace)
	shipped, err := configMaps.Get(t.Context(), "metallb-excludel2", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	list := func(text string) {
		t.Helper()
		if _, err := configMaps.Patch(context.Background(), shipped.Name, types.MergePatchType, fmt.Appendf(nil, `{"data": {"excludel2.yaml": %q}}`, text), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { list(shipped.Data["excludel2.yaml"]) })
	used := func(ctx context.Context) (int, error) {
		out, err := cluster.Kubectl(ctx, "-n", lab.ProductNamespace, "logs", "-l", lab.SpeakerPods, "--tail=-1")
		return strings.Count(out, "new key of the speakers is used"), err
	}
	before, err := used(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const complaint = "the list before it stays in force"
	kubectl(t, "-n", lab.ProductNamespace, "patch", "secret", "memberlist", "-p", `{"stringData": {"secretkey": "another key, and a long one"}}`)
	list("announcedInterfacesToExclude: ['(']")
	waitForComplaints(t, len(cluster.Nodes()), complaint)
	until(t, "all speakers use the new key", func(ctx context.Context) (bool, error) {
		n, err := used(ctx)
		return n-before >= len(cluster.Nodes()), err
	})
	if now := waitForOwner(t, addr, anyNode); now != owner {
		t.Errorf("%s has moved from %s to %s", addr, owner, now)
	}
	if now := speakerRestarts(t); now != restarts {
		t.Errorf("speakers restarted %d times meanwhile", now-restarts)
	}
	kubectl(t, "-n", lab.ProductNamespace, "delete", "pod", "-l", lab.SpeakerPods, "--field-selector", "spec.nodeName="+but(owner)[0])
	waitForComplaints(t, 1, "what can be read of the list is in force")
	waitForProduct(t)
	restarts = speakerRestarts(t)
	list("announcedInterfacesToExclude: ['^eth0$']")
	waitForOwner(t, addr, nobody)
	waitForComplaints(t, 0, "in force")
	list(shipped.Data["excludel2.yaml"])
	waitForAnswer(t, addr, 80)
	if now := speakerRestarts(t); now != restarts {
		t.Errorf("speakers restarted %d times meanwhile", now-restarts)
	}
}

// TestKernelThatAnswers holds that a kernel which answers for the address of a
// Service by itself, as with kube-proxy in IPVS mode, is found and said: P7.
func TestKernelThatAnswers(t *testing.T) {
	_, addrs := dualWeb(t, 2)
	addr := addrs[0]
	node := cluster.Node(but(waitForOwner(t, addr, anyNode))[0])
	has := func(verb string) {
		t.Helper()
		if _, err := node.Exec(t.Context(), "ip", "address", verb, addr.String()+"/32", "dev", "lo"); err != nil {
			t.Fatal(err)
		}
	}
	complaint := "the kernel answers ARP for " + addr.String()
	has("add")
	waitForComplaints(t, 1, complaint)
	until(t, "an Event on the Node says so", func(ctx context.Context) (bool, error) {
		out, err := cluster.Kubectl(ctx, "get", "events", "--field-selector", "involvedObject.kind=Node,type=Warning", "-o", "jsonpath={.items[*].message}")
		return strings.Contains(out, complaint), err
	})
	has("del")
	waitForComplaints(t, 0, complaint)
}
