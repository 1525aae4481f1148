package gobgp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	packet "github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/clarion-lb/clarion/bgp"
)

func equateAddrs() cmp.Option {
	return cmp.Options{cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty()}
}

var (
	// plainOpen is one without any capability that matters.
	plainOpen = bgp.Open{
		ASN: 0xFE4C, RouterID: netip.MustParseAddr("10.255.0.9"), HoldTime: 90 * time.Second,
		Families: bgp.Families{IPv4: true},
	}
	// fullOpen has everything.
	fullOpen = bgp.Open{
		ASN: 4200000001, RouterID: netip.MustParseAddr("192.0.2.1"), HoldTime: 90 * time.Second,
		Families:    bgp.Families{IPv4: true, IPv6: true},
		IPv6NextHop: true, RouteRefresh: true, FourOctetAS: true,
		GracefulRestart: &bgp.GracefulRestart{
			Restarted: true, Time: 120 * time.Second,
			Families: bgp.Families{IPv4: true, IPv6: true}, Preserved: bgp.Families{IPv6: true},
		},
		HostName: "node-1",
	}
)

func openBody(tb testing.TB, o bgp.Open) []byte {
	tb.Helper()
	b, err := appendOpen(nil, o)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestOpenRoundTrip(t *testing.T) {
	t.Parallel()
	minimal := bgp.Open{ASN: 64496, RouterID: netip.MustParseAddr("192.0.2.1"), Families: bgp.Families{IPv6: true}}
	longest := fullOpen
	longest.HoldTime = maxHold
	longest.HostName = strings.Repeat("n", 64)
	longest.GracefulRestart = &bgp.GracefulRestart{Time: maxRestart}
	for name, o := range map[string]bgp.Open{"minimal": minimal, "full": fullOpen, "longest": longest} {
		o.FourOctetAS = true // we always say so
		got := receive(t, framed(packet.BGP_MSG_OPEN, openBody(t, o)))
		if diff := cmp.Diff(result{Messages: []bgp.Message{o}}, got, equateAddrs()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestOpenAsOthersSeeIt has the library read a whole OPEN of ours.
func TestOpenAsOthersSeeIt(t *testing.T) {
	t.Parallel()
	m, err := packet.ParseBGPMessage(framed(packet.BGP_MSG_OPEN, openBody(t, fullOpen)))
	if err != nil {
		t.Fatal(err)
	}
	open := m.Body.(*packet.BGPOpen)
	if open.MyAS != asTrans { // RFC 6793, section 4.1
		t.Errorf("AS %d stands where 4200000001 does not fit", open.MyAS)
	}
	var codes []int
	for _, c := range open.OptParams[0].(*packet.OptionParameterCapability).Capability {
		codes = append(codes, int(c.Code()))
		if g, ok := c.(*packet.CapGracefulRestart); ok && g.Flags != restarted {
			t.Errorf("graceful restart has flags %#x; the N bit must not be there", g.Flags)
		}
	}
	if diff := cmp.Diff([]int{1, 1, 2, 5, 64, 65, 73}, codes); diff != "" {
		t.Errorf("capabilities (-want +got):\n%s", diff)
	}
}

// body builds an OPEN from its optional parameters, with their length first.
func body(parameters ...byte) []byte {
	return append([]byte{4, 0xFE, 0x4C, 0, 90, 10, 255, 0, 9}, parameters...)
}

func TestParseOpen(t *testing.T) {
	t.Parallel()
	with := func(change func(*bgp.Open)) bgp.Open {
		o := plainOpen
		change(&o)
		return o
	}
	// Three families on their own, as many parameters as a hundred capabilities,
	// and more than 255 octets of them (RFC 9072).
	var long []byte
	for range 60 {
		long = append(long, 2, 0, 6, 1, 4, 0, 2, 0, 1)
	}
	long = append(binary.BigEndian.AppendUint16([]byte{255, 255}, uint16(len(long))), long...)

	for name, tt := range map[string]struct {
		body []byte
		want bgp.Message
		err  *bgp.Notification
	}{
		"no parameters": {body: body(0), want: plainOpen},
		"version 3": {
			body: append([]byte{3}, body(0)[1:]...), err: &bgp.Notification{Code: 2, Subcode: 1, Data: []byte{0, 4}},
		},
		"authentication, which is no more": {
			body: body(2, 1, 0), err: &bgp.Notification{Code: 2, Subcode: 4},
		},
		"parameters missing":      {body: body(4, 2, 2, 2), err: &bgp.Notification{Code: 2}},
		"parameters too long":     {body: body(0, 2, 0), err: &bgp.Notification{Code: 2}},
		"parameter of one octet":  {body: body(1, 2), err: &bgp.Notification{Code: 2}},
		"parameter cut":           {body: body(2, 2, 1), err: &bgp.Notification{Code: 2}},
		"capability of one octet": {body: body(3, 2, 1, 2), err: &bgp.Notification{Code: 2}},
		"capability cut":          {body: body(4, 2, 2, 2, 1), err: &bgp.Notification{Code: 2}},
		"AS 0": {
			body: append([]byte{4, 0, 0}, body(0)[3:]...), err: &bgp.Notification{Code: 2, Subcode: 2},
		},
		"AS 0 in the capability": {
			body: body(8, 2, 6, 65, 4, 0, 0, 0, 0), err: &bgp.Notification{Code: 2, Subcode: 2},
		},
		"extended length": {
			body: body(long...),
			want: with(func(o *bgp.Open) { o.Families = bgp.Families{IPv6: true} }),
		},
		"extended length cut":       {body: body(255, 255, 1), err: &bgp.Notification{Code: 2}},
		"extended length too long":  {body: body(255, 255, 0, 1), err: &bgp.Notification{Code: 2}},
		"extended parameter cut":    {body: body(255, 255, 0, 2, 2, 0), err: &bgp.Notification{Code: 2}},
		"extended length for short": {body: body(7, 255, 0, 5, 2, 0, 2, 2, 0), want: with(func(o *bgp.Open) { o.RouteRefresh = true })},
		"other families only": {
			body: body(8, 2, 6, 1, 4, 0, 25, 0, 70),
			want: with(func(o *bgp.Open) { o.Families = bgp.Families{} }),
		},
		"unknown capabilities": {body: body(9, 2, 7, 200, 1, 0, 2, 0, 71, 0), want: with(func(o *bgp.Open) { o.RouteRefresh = true })},
		"two parameters": {
			body: body(16, 2, 6, 1, 4, 0, 1, 0, 1, 2, 6, 1, 4, 0, 2, 0, 1),
			want: with(func(o *bgp.Open) { o.Families.IPv6 = true }),
		},
		"the last graceful restart counts": {
			body: body(14, 2, 12, 64, 6, 0x80, 120, 0, 1, 1, 0x80, 64, 2, 0, 5),
			want: with(func(o *bgp.Open) { o.GracefulRestart = &bgp.GracefulRestart{Time: 5 * time.Second} }),
		},
		"the other kind of next hop": {
			body: body(10, 2, 8, 5, 6, 0, 2, 0, 1, 0, 1), want: plainOpen,
		},
		"a name that is not UTF-8": {
			body: body(8, 2, 6, 73, 4, 2, 'r', 0xFF, 0), want: with(func(o *bgp.Open) { o.HostName = "r?" }),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := parseOpen(tt.body)
			var notification *bgp.Notification
			if wrong, ok := errors.AsType[*bgp.MessageError](err); ok {
				notification = &wrong.Notification
			}
			if diff := cmp.Diff(tt.err, notification, equateAddrs()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, got, equateAddrs()); diff != "" {
				t.Errorf("OPEN (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOpenThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*bgp.Open){
		"no router ID":   func(o *bgp.Open) { o.RouterID = netip.Addr{} },
		"IPv6 router ID": func(o *bgp.Open) { o.RouterID = netip.MustParseAddr("2001:db8::1") },
		"hold time":      func(o *bgp.Open) { o.HoldTime = maxHold + time.Second },
		"restart time":   func(o *bgp.Open) { o.GracefulRestart = &bgp.GracefulRestart{Time: maxRestart + time.Second} },
	} {
		o := fullOpen
		change(&o)
		if _, err := appendOpen(nil, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzOpen checks that whatever can be understood of an OPEN can be said again.
func FuzzOpen(f *testing.F) {
	f.Add(openBody(f, fullOpen))
	f.Add(body(0))
	f.Add(body(7, 255, 0, 5, 2, 0, 2, 2, 0))
	for _, m := range malformed {
		if m.kind == packet.BGP_MSG_OPEN {
			f.Add(m.message()[headerLen:])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < minOpen-headerLen || len(b) > maxLen-headerLen {
			return
		}
		m, err := parseOpen(bytes.Clone(b))
		if err != nil {
			return
		}
		o := m.(bgp.Open)
		if len(o.HostName) > 64 { // all that the library writes
			return
		}
		again, err := parseOpen(openBody(t, o))
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		o.FourOctetAS = true
		if o.Families == (bgp.Families{}) { // a router without a family in common
			o.Families.IPv4 = true
		}
		if diff := cmp.Diff(o, again, equateAddrs()); diff != "" {
			t.Errorf("said again (-want +got):\n%s", diff)
		}
	})
}
