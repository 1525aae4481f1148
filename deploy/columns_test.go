package deploy_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestColumns: `kubectl get` shows what scripts are used to, in that order, and
// what we add comes after.
func TestColumns(t *testing.T) {
	t.Parallel()

	peer := []string{
		"Address string .spec.peerAddress", "ASN string .spec.peerASN",
		"BFD Profile string .spec.bfdProfile", "Multi Hops string .spec.ebgpMultiHop",
	}
	want := map[string][]string{
		"IPAddressPool v1beta1": {
			"Auto Assign boolean .spec.autoAssign", "Avoid Buggy IPs boolean .spec.avoidBuggyIPs", "Addresses string .spec.addresses",
			"Assigned IPv4 integer .status.assignedIPv4", "Available IPv4 integer .status.availableIPv4",
			"Assigned IPv6 integer .status.assignedIPv6", "Available IPv6 integer .status.availableIPv6",
			"Age date .metadata.creationTimestamp",
		},
		"L2Advertisement v1beta1": {
			"IPAddressPools string .spec.ipAddressPools", "IPAddressPool Selectors string .spec.ipAddressPoolSelectors",
			"Interfaces string .spec.interfaces", "Node Selectors string .spec.nodeSelectors wide",
		},
		"BGPAdvertisement v1beta1": {
			"IPAddressPools string .spec.ipAddressPools", "IPAddressPool Selectors string .spec.ipAddressPoolSelectors",
			"Peers string .spec.peers", "Node Selectors string .spec.nodeSelectors wide",
		},
		"BGPPeer v1beta1":   peer,
		"BGPPeer v1beta2":   peer,
		"Community v1beta1": nil,
		"BFDProfile v1beta1": {
			"Passive Mode boolean .spec.passiveMode", "Transmit Interval integer .spec.transmitInterval",
			"Receive Interval integer .spec.receiveInterval", "Multiplier integer .spec.detectMultiplier",
		},
		"ServiceL2Status v1beta1": {
			"Allocated Node string .status.node", "Service Name string .status.serviceName", "Service Namespace string .status.serviceNamespace",
		},
		"ServiceBGPStatus v1beta1": {
			"Node string .status.node", "Service Name string .status.serviceName", "Service Namespace string .status.serviceNamespace",
		},
		"ConfigurationState v1beta1": {
			"Result string .status.result", "ErrorSummary string .status.errorSummary", "Age date .metadata.creationTimestamp",
		},
	}

	files, err := filepath.Glob("crd/metallb.io_*.yaml")
	if err != nil {
		t.Fatal(err)
	}

	got := map[string][]string{}

	for _, file := range files {
		crd, err := readCRD(file)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}

		for _, version := range crd.Spec.Versions {
			name := crd.Spec.Names.Kind + " " + version.Name
			got[name] = nil

			if version.Subresources == nil || version.Subresources.Status == nil {
				t.Errorf("%s has no status subresource", name)
			}

			for _, c := range version.AdditionalPrinterColumns {
				column := fmt.Sprintf("%s %s %s", c.Name, c.Type, c.JSONPath)
				if c.Priority > 0 {
					column += " wide"
				}

				got[name] = append(got[name], column)
			}
		}
	}

	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unexpected columns (-want +got):\n%s", diff)
	}
}
