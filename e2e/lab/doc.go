// Package lab is a whole Kubernetes cluster on a whole network, on one machine: nodes, a client and a router on one layer-2 segment,
// a real control plane, real kube-proxies, and Pods that are real processes. It exists so that Clarion can be installed, used, broken
// and measured as in production. It never touches the machine it runs on: all of it lives inside package sandbox.
//
//	                       ┌────────────┐
//	cp 192.0.2.2 ──────────┤            ├────────── client 192.0.2.100
//	etcd, kube-apiserver,  │            │           every load-balancer prefix on-link
//	controllers, scheduler │   switch   │
//	                       │            ├────────── tor 192.0.2.1
//	node-a 192.0.2.11 ─────┤            │           default gateway of all
//	node-b 192.0.2.12 ─────┤            │
//	node-c 192.0.2.13 ─────┤            │           and the same in 2001:db8:0:1::/64
//	kubelet, kube-proxy,   └────────────┘
//	Pods: 10.244.N.0/24
//
// A program that wants a lab gives its main function, or TestMain, to Main; inside, Start makes the lab and everything else is a
// method of Lab, Node or a host:
//
//	func TestMain(m *testing.M) {
//		os.Exit(lab.TestMain(m, lab.Options{}, func(ctx context.Context, l *lab.Lab) error {
//			cluster = l
//			return l.Install(ctx)
//		}))
//	}
//
//	cluster.Kubectl(ctx, "apply", "-k", "deploy")
//	cluster.Node("node-a").Kill()
//	cluster.Client().Exec(ctx, "curl", "-s", "http://203.0.113.0")
package lab
