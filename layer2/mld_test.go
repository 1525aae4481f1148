package layer2

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// kernelReport is what Linux says when it has joined the groups of ::80 and ::81.
const kernelReport = `
3333 0000 0016 0200 0000 0001 86dd 6000
0000 0038 0001 fe80 0000 0000 0000 0000
00ff fe00 0001 ff02 0000 0000 0000 0000
0000 0000 0016 3a00 0502 0000 0100 8f00
6eed 0000 0002 0400 0000 ff02 0000 0000
0000 0000 0001 ff00 0081 0400 0000 ff02
0000 0000 0000 0000 0001 ff00 0080`

// TestReport: a membership is reported as the kernel does.
func TestReport(t *testing.T) {
	t.Parallel()
	want := strings.Join(strings.Fields(kernelReport), "")
	from := station{IP: netip.MustParseAddr("fe80::ff:fe00:1"), MAC: MAC{2, 0, 0, 0, 0, 1}}
	groups := []netip.Addr{netip.MustParseAddr("ff02::1:ff00:81"), netip.MustParseAddr("ff02::1:ff00:80")}
	if diff := cmp.Diff(want, hex.EncodeToString(mldJoined(nil, from, groups))); diff != "" {
		t.Errorf("(-kernel +ours):\n%s", diff)
	}
	full := mldJoined(nil, from, slices.Repeat(groups[:1], mldMost))
	if size := len(full) - ethernetLen; size > ipv6MinimumMTU || size+mldRecordLen <= ipv6MinimumMTU {
		t.Errorf("the longest report has %d octets", size)
	}
}

// TestReportsAtOnce: whoever owns an address reports its group himself, after he
// has announced it, and once however many addresses share it.
func TestReportsAtOnce(t *testing.T) {
	t.Parallel()
	inTime(t, func(tr *trial) {
		eth0 := link("eth0", 2)
		eth0.LinkLocal = netip.MustParseAddr("fe80::1")
		twin := netip.MustParseAddr("2001:db8:1::80")
		from := station{IP: eth0.LinkLocal, MAC: eth0.MAC}
		report := inWords(mldJoined(nil, from, []netip.Addr{solicitedNode(owned6)}))
		reports := func() (n int) {
			time.Sleep(10 * ms)
			for _, frame := range tr.memory.take() {
				if frame.What == report {
					n++
				}
			}
			return n
		}
		tr.Set(Config{Interfaces: []Interface{eth0}, Announcements: onEth0(owned6)})
		if n := reports(); n != 1 {
			tr.Errorf("%d reports, want one", n)
		}
		if solicitedNode(twin) != solicitedNode(owned6) {
			tr.Fatal("the twin has another group")
		}
		tr.Set(Config{Interfaces: []Interface{eth0}, Announcements: onEth0(owned6, twin)})
		if n := reports(); n != 0 {
			tr.Errorf("%d reports of a group that was joined before", n)
		}
	})
}
