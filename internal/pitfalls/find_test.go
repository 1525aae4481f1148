package pitfalls_test

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/internal/pitfalls"
	"github.com/clarion-lb/clarion/speaker/announce"
)

func eth(name string) announce.Link {
	return announce.Link{Name: name, MAC: [6]byte{2}, Up: true, Carrier: true, Broadcast: true, LinkLocal: netip.MustParseAddr("fe80::1")}
}

func with(l announce.Link, prefixes ...string) announce.Link {
	for _, p := range prefixes {
		l.Prefixes = append(l.Prefixes, netip.MustParsePrefix(p))
	}
	return l
}

func TestFind(t *testing.T) {
	t.Parallel()

	pool4, pool6 := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/64")
	ipvs := announce.Link{Name: "kube-ipvs0", NoARP: true}
	for _, tt := range []struct {
		name      string
		links     []announce.Link
		arpIgnore map[string]int
		want      []string
	}{
		{"all is well", []announce.Link{with(eth("eth0"), "198.51.100.1/24"), ipvs}, map[string]int{"eth0": 0}, nil},
		{
			"kube-proxy with IPVS",
			[]announce.Link{with(eth("eth0"), "198.51.100.1/24"), with(ipvs, "192.0.2.11/32", "192.0.2.10/32", "203.0.113.1/32")},
			map[string]int{"eth0": 0},
			[]string{`Interface eth0: net.ipv4.conf.eth0.arp_ignore: invalid value "0": the kernel answers ARP for 192.0.2.10 and others, ` +
				`whichever node owns it, because it is an address of kube-ipvs0: set net.ipv4.conf.all.arp_ignore=1, or ipvs.strictARP: true for kube-proxy`},
		},
		{"the same, strict", []announce.Link{eth("eth0"), with(ipvs, "192.0.2.10/32")}, map[string]int{"eth0": 1}, nil},
		{"the same, gone before it could be asked", []announce.Link{eth("eth0"), with(ipvs, "192.0.2.10/32")}, nil, nil},
		{"IPv6 is no matter of other interfaces", []announce.Link{eth("eth0"), with(ipvs, "2001:db8::10/128")}, map[string]int{"eth0": 0}, nil},
		{
			"the interface has it itself",
			[]announce.Link{with(eth("eth0"), "192.0.2.10/24", "2001:db8::10/64")},
			map[string]int{"eth0": 1},
			[]string{"Interface eth0: the kernel answers for 192.0.2.10 and others, whichever node owns it, because it is an address of the interface itself: take it off"},
		},
		{
			"no answers at all",
			[]announce.Link{eth("eth0")},
			map[string]int{"eth0": 8},
			[]string{`Interface eth0: net.ipv4.conf.eth0.arp_ignore: invalid value "8": the kernel answers ARP for none of this node's own addresses, ` +
				`so that other nodes take it for dead: set it to 0, 1 or 2`},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, p := range pitfalls.Find(pitfalls.Facts{
				Local: announce.Local{Node: "node-a", Links: tt.links}, ARPIgnore: tt.arpIgnore,
				Announced: func(a netip.Addr) bool { return pool4.Contains(a) || pool6.Contains(a) },
			}) {
				got = append(got, p.Error())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestFinder: it looks when an address of a Service, or an interface, has
// changed; and once a minute, because the kernel says nothing of its settings.
func TestFinder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var arpIgnore, found, looks atomic.Int64
		f := pitfalls.New(pitfalls.Options{
			ARPIgnore: func(string) (int, error) { return int(arpIgnore.Load()), nil },
			Found: func(p []config.Problem) {
				found.Store(int64(len(p)))
				looks.Add(1)
			},
		})
		go f.Run(t.Context()) //nolint:errcheck // it returns nil
		want := func(when string, problems, lookedSince int64) {
			t.Helper()
			synctest.Wait()
			if n, times := found.Load(), looks.Swap(0); n != problems || times != lookedSince {
				t.Errorf("%s: %d found in %d looks, want %d in %d", when, n, times, problems, lookedSince)
			}
		}
		verdict := announce.Verdict{
			Key:   announce.Key{Addr: netip.MustParseAddr("192.0.2.10"), Protocol: announce.Layer2},
			Owner: "node-b", Reason: announce.NotOwner,
		}
		f.SetLocal(announce.Local{Links: []announce.Link{eth("eth0"), with(announce.Link{Name: "lo"}, "192.0.2.10/32")}})
		time.Sleep(2 * time.Second)
		want("before it is announced", 0, 1)
		f.Report(announce.Revision{Changed: []announce.Change{{Verdict: verdict}}})
		time.Sleep(2 * time.Second)
		want("announced", 1, 1)
		f.Report(announce.Revision{Changed: []announce.Change{{Verdict: verdict}}})
		time.Sleep(2 * time.Second)
		want("announced as before", 1, 0)
		arpIgnore.Store(1)
		time.Sleep(time.Minute)
		want("the kernel was told better", 0, 1)
		arpIgnore.Store(0)
		time.Sleep(time.Minute)
		want("and worse again", 1, 1)
		f.Report(announce.Revision{Gone: []announce.Verdict{verdict}})
		time.Sleep(2 * time.Second)
		want("withdrawn", 0, 1)
	})
}
