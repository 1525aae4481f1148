package controlplane

import (
	"net/netip"
	"path/filepath"
	"strings"
)

const etcdURL = "http://127.0.0.1:2379"

func etcdFlags(dir string) []string {
	const peerURL = "http://127.0.0.1:2380"
	return []string{
		"--name=lab",
		"--data-dir=" + filepath.Join(dir, "etcd"),
		"--listen-client-urls=" + etcdURL,
		"--advertise-client-urls=" + etcdURL,
		"--listen-peer-urls=" + peerURL,
		"--initial-advertise-peer-urls=" + peerURL,
		"--initial-cluster=lab=" + peerURL,
		"--unsafe-no-fsync",
		// One member has nobody to keep in touch with; longer ticks are less work while idle.
		"--heartbeat-interval=500",
		"--election-timeout=5000",
		"--log-level=warn",
	}
}

func apiServerFlags(dir string, address netip.Addr, services []netip.Prefix) []string {
	file := func(name string) string { return filepath.Join(dir, name) }
	return []string{
		"--etcd-servers=" + etcdURL,
		"--advertise-address=" + address.String(),
		"--secure-port=" + port,
		"--tls-cert-file=" + file("apiserver.crt"),
		"--tls-private-key-file=" + file("apiserver.key"),
		"--client-ca-file=" + file("ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--service-cluster-ip-range=" + join(services),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + file("service-account.key"),
		"--service-account-signing-key-file=" + file("service-account.key"),
		"--kubelet-client-certificate=" + file("kubelet-client.crt"),
		"--kubelet-client-key=" + file("kubelet-client.key"),
		"--kubelet-certificate-authority=" + file("ca.crt"),
		"--kubelet-preferred-address-types=InternalIP",
		// The control plane's host is no node and has no kube-proxy: reach webhooks at their Pods' addresses.
		"--enable-aggregator-routing=true",
		"--endpoint-reconciler-type=master-count",
		"--audit-policy-file=" + file("audit-policy.yaml"),
		"--audit-log-path=" + file(auditLog),
		"--audit-log-maxsize=1000",  // MB, and then it would begin another file, which nobody reads
		"--audit-log-mode=blocking", // a test that reads the log sees what has been answered
		"--profiling=false",
	}
}

// auditPolicy records who wrote what, and what the product reads, without contents. Questions that are asked by creating an object write
// nothing.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: None
  resources:
  - {group: authentication.k8s.io}
  - {group: authorization.k8s.io}
  - {group: "", resources: [serviceaccounts/token]}
- level: Metadata
  userGroups: ["system:serviceaccounts:metallb-system"]
- level: None
  verbs: [get, list, watch]
- level: Metadata
`

func controllerManagerFlags(dir string) []string {
	controllers := []string{
		"clusterrole-aggregation-controller",
		"daemonset-controller",
		"deployment-controller",
		"disruption-controller",
		"endpointslice-controller",
		"garbage-collector-controller",
		"namespace-controller",
		"node-lifecycle-controller",
		"pod-garbage-collector-controller",
		"replicaset-controller",
		"root-ca-certificate-publisher-controller",
		"serviceaccount-controller",
		"statefulset-controller",
		"taint-eviction-controller",
	}
	return []string{
		"--kubeconfig=" + filepath.Join(dir, "kube-controller-manager.kubeconfig"),
		"--controllers=" + strings.Join(controllers, ","),
		"--service-account-private-key-file=" + filepath.Join(dir, "service-account.key"),
		"--root-ca-file=" + filepath.Join(dir, "ca.crt"),
		"--leader-elect=false",
		"--bind-address=127.0.0.1",
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		"--profiling=false",
	}
}

func schedulerFlags(dir string) []string {
	return []string{
		"--kubeconfig=" + filepath.Join(dir, "kube-scheduler.kubeconfig"),
		"--leader-elect=false",
		"--bind-address=127.0.0.1",
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		"--profiling=false",
	}
}

func join(prefixes []netip.Prefix) string {
	words := make([]string, len(prefixes))
	for i, prefix := range prefixes {
		words[i] = prefix.String()
	}
	return strings.Join(words, ",")
}
