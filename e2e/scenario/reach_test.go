//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// webWorkload is a Deployment of the lab's web server and a Service of both
// families in front of it, on addresses that the test's pool gives out.
const webWorkload = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      nodeSelector: %s
      containers:
        - name: web
          image: web
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {path: /ready, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: LoadBalancer
  ipFamilyPolicy: RequireDualStack
  externalTrafficPolicy: %s
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
`

// workload returns webWorkload with so many Pods, on nodes of that selector, and
// that external traffic policy.
func workload(replicas int, nodes, policy string) string {
	return fmt.Sprintf(webWorkload, replicas, nodes, policy)
}

// dualPool gives out addresses of both families, on prefixes that the client
// looks for on the segment.
const dualPool = `
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: dual, namespace: metallb-system}
spec:
  addresses: [198.51.100.64/28, "2001:db8:0:2::40/124"]
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: dual, namespace: metallb-system}
spec: {ipAddressPools: [dual]}
`

// dualWeb makes the web Service in front of so many Pods, and returns its two
// addresses, IPv4 first, once both are answered.
func dualWeb(t *testing.T, replicas int) (ns string, addrs []netip.Addr) {
	t.Helper()
	apply(t, dualPool)
	ns = namespace(t)
	applyTo(t, ns, workload(replicas, "{}", "Cluster"))
	addrs = waitForAddresses(t, ns, "web", 2)
	for _, addr := range addrs {
		waitForAnswer(t, addr, 80)
	}
	return ns, addrs
}

// TestReachedByBothFamilies holds that a client on the segment resolves the
// addresses to the one node that owns them, and that one alone answers: P3.
func TestReachedByBothFamilies(t *testing.T) {
	ns, addrs := dualWeb(t, 3)
	if !addrs[0].Is4() || !addrs[1].Is6() {
		t.Errorf("the status lists %v, want IPv4 first", addrs)
	}
	var owners []string
	for _, addr := range addrs {
		owners = append(owners, waitForOwner(t, addr, anyNode))
		answers := ask(t, addr)
		if len(answers) != 1 || answers[0] != owners[len(owners)-1] {
			t.Errorf("%s is answered by %v, want by its owner %s alone", addr, answers, owners[len(owners)-1])
		}
	}
	if owners[0] != owners[1] {
		t.Errorf("the addresses of one Service are on %s and %s, want one node", owners[0], owners[1])
	}
	until(t, "the ServiceL2Status names the owner", saysOwner(ns, "web", owners[0]))

	// Addresses that nobody holds are nobody's.
	for _, addr := range []string{"198.51.100.79", "2001:db8:0:2::4f"} {
		if answers := ask(t, netip.MustParseAddr(addr)); len(answers) != 0 {
			t.Errorf("%s is held by no Service and answered by %v", addr, answers)
		}
	}
}

// TestLocalTrafficPolicy holds that with externalTrafficPolicy Local only nodes
// with a serving endpoint own the address, and nobody without any: P4.
func TestLocalTrafficPolicy(t *testing.T) {
	apply(t, dualPool)
	ns := namespace(t)
	for _, node := range []string{"node-a", "node-b", "node-c"} {
		applyTo(t, ns, workload(1, "{kubernetes.io/hostname: "+node+"}", "Local"))
		addrs := waitForAddresses(t, ns, "web", 2)
		for _, addr := range addrs {
			waitForOwner(t, addr, func(owner string) bool { return owner == node })
			waitForAnswer(t, addr, 80)
			page, err := get(addr, 80)
			if err != nil || !strings.Contains(page, " on "+node) {
				t.Errorf("%s answered %q (%v), want a Pod on %s", addr, page, err, node)
			}
		}
	}
	kubectl(t, "-n", ns, "scale", "deployment", "web", "--replicas=0")
	for _, addr := range waitForAddresses(t, ns, "web", 2) {
		waitForOwner(t, addr, nobody)
		if answers := ask(t, addr); len(answers) != 0 {
			t.Errorf("%s has no endpoints and is answered by %v", addr, answers)
		}
	}
	kubectl(t, "-n", ns, "scale", "deployment", "web", "--replicas=1")
	for _, addr := range waitForAddresses(t, ns, "web", 2) {
		waitForAnswer(t, addr, 80)
	}
}

// TestServiceGoesAndTheAddressWithIt holds that nothing answers for an address
// that was given back.
func TestServiceGoesAndTheAddressWithIt(t *testing.T) {
	ns, addrs := dualWeb(t, 1)
	kubectl(t, "-n", ns, "patch", "service", "web", "--type=merge", "-p", `{"spec":{"type":"ClusterIP"}}`)
	waitForAddresses(t, ns, "web", 0)
	for _, addr := range addrs {
		waitForOwner(t, addr, nobody)
	}
	until(t, "the ServiceL2Status is gone", saysOwner(ns, "web", ""))
	if fromPool(t, ns, "web") != "" {
		t.Error("the Service is still annotated with the pool")
	}
}
