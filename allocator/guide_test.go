package allocator

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/config"
)

// guidePools are the four pools of the guide on defining several pools.
func guidePools() *config.Snapshot {
	return compile(
		pool("public-ips", "203.0.113.0/28"),
		pool("internal-ips", "10.10.50.0/24"),
		noAutoAssign(pool("premium-ips", "198.51.100.10-198.51.100.15")),
		pool("dev-ips", "192.168.200.0/24"),
	)
}

// TestGuide tells the guide's story: the premium pool only on request, the
// others in the order of their names, and a reason when nothing is left.
func TestGuide(t *testing.T) {
	t.Parallel()

	snap, l := guidePools(), NewLedger()
	for i := range 6 {
		svc := service(fmt.Sprintf("trading-%d", i), wantPool("premium-ips"))
		want := fmt.Sprintf("198.51.100.%d", 10+i)
		if got := briefly(settle(t, snap, l, &svc)).Addresses; got != want {
			t.Errorf("%s gets %s, want %s", svc.Name, got, want)
		}
	}
	late := service("trading-api", wantPool("premium-ips"))
	want := brief{Action: Refuse, Unchanged: true, Reasons: []Reason{PoolFull}, Notes: []string{
		`AllocationFailed: no address for default/trading-api: pool "premium-ips" has no free IPv4 address (6 of 6 in use)`,
	}}
	if diff := cmp.Diff(want, briefly(settle(t, snap, l, &late))); diff != "" {
		t.Errorf("one more than the premium pool has (-want +got):\n%s", diff)
	}

	pools := map[string]int{}
	var order []string
	var last brief
	for i := 0; last.Action != Refuse; i++ {
		svc := service(fmt.Sprintf("web-%d", i))
		last = briefly(settle(t, snap, l, &svc))
		if last.Pool != "" && pools[last.Pool] == 0 {
			order = append(order, last.Pool)
		}
		pools[last.Pool]++
	}
	if diff := cmp.Diff([]string{"dev-ips", "internal-ips", "public-ips"}, order); diff != "" {
		t.Errorf("pools in order (-want +got):\n%s", diff)
	}
	want = brief{
		Action: Refuse, Unchanged: true, Reasons: []Reason{PoolFull, PoolFull, AutoAssignOff, PoolFull},
		Notes: []string{
			`AllocationFailed: no address for default/web-528: pool "dev-ips" has no free IPv4 address (256 of 256 in use); ` +
				`pool "internal-ips" has no free IPv4 address (256 of 256 in use); ` +
				`pool "premium-ips" has autoAssign off; pool "public-ips" has no free IPv4 address (16 of 16 in use)`,
		},
	}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Errorf("when all are full (-want +got):\n%s", diff)
	}
}

// TestManyRefusalsFitAnEvent: with a hundred pools the first are told in full
// and the others counted.
func TestManyRefusalsFitAnEvent(t *testing.T) {
	t.Parallel()

	svc := service("svc", families(config.IPv6))
	o := Assign(hundredPools(), NewLedger(), svc)
	want := brief{Action: Refuse, Unchanged: true, Notes: []string{
		`AllocationFailed: no address for default/svc: pool "pool-00" has no IPv6 addresses; ` +
			`pool "pool-01" has no IPv6 addresses; pool "pool-02" has no IPv6 addresses; and 97 more pools: 97 FamilyMissing`,
	}}
	got := briefly(o)
	if len(got.Reasons) != 100 {
		t.Errorf("%d refusals as data, want one for each of 100 pools", len(got.Reasons))
	}
	got.Reasons = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
}
