package gobgp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	packet "github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/clarion-lb/clarion/bgp"
)

var (
	hop4  = netip.MustParseAddr("192.0.2.1")
	hop6  = netip.MustParseAddr("2001:db8::1")
	local = netip.MustParseAddr("fe80::1")
)

// seen is what a router makes of one UPDATE; attributes are in the order sent.
type seen struct {
	Announced, Withdrawn []string
	NextHops             []string
	Attributes           []string
}

// messages cuts a stream into its messages.
func messages(tb testing.TB, stream []byte) [][]byte {
	tb.Helper()
	var out [][]byte
	for len(stream) > 0 {
		n := int(binary.BigEndian.Uint16(stream[16:]))
		if n > maxLen || n > len(stream) {
			tb.Fatalf("a message of %d octets, %d are there", n, len(stream))
		}
		out, stream = append(out, stream[:n]), stream[n:]
	}
	return out
}

// look has the library say what is in the messages written by p. Its parser and
// its rules for what is acceptable are the oracle.
func look(tb testing.TB, stream []byte, narrow bool) []seen {
	tb.Helper()
	rules := map[packet.Family]packet.BGPAddPathMode{packet.RF_IPv4_UC: 0, packet.RF_IPv6_UC: 0}
	var out []seen
	for _, b := range messages(tb, stream) {
		m, err := packet.ParseBGPMessage(b, &packet.MarshallingOption{Use2ByteAS: narrow})
		if err != nil {
			tb.Fatalf("a router cannot read %x: %v", b, err)
		}
		u := m.Body.(*packet.BGPUpdate)
		if _, err := packet.ValidateUpdateMsg(u, rules, false, false, false); err != nil {
			tb.Fatalf("a router does not accept %x: %v", b, err)
		}
		out = append(out, see(u))
	}
	return out
}

func see(u *packet.BGPUpdate) seen {
	var s seen
	add := func(to *[]string, prefixes []packet.PathNLRI) {
		for _, p := range prefixes {
			*to = append(*to, p.NLRI.String())
		}
	}
	add(&s.Withdrawn, u.WithdrawnRoutes)
	for _, a := range u.PathAttributes {
		switch a := a.(type) {
		case *packet.PathAttributeMpReachNLRI:
			s.NextHops = append(s.NextHops, a.Nexthop.String())
			if a.LinkLocalNexthop.IsValid() {
				s.NextHops = append(s.NextHops, a.LinkLocalNexthop.String())
			}
			add(&s.Announced, a.Value)
		case *packet.PathAttributeMpUnreachNLRI:
			add(&s.Withdrawn, a.Value)
		case *packet.PathAttributeNextHop:
			s.NextHops = append(s.NextHops, a.Value.String())
		case *packet.PathAttributeAs4Path:
			s.Attributes = append(s.Attributes, "{As4Path: "+a.String()+"}")
		default:
			s.Attributes = append(s.Attributes, a.String())
		}
	}
	add(&s.Announced, u.NLRI)
	return s
}

func prefixes(s ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range s {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	of := &bgp.Attributes{
		LocalPref:           1, // not looked at
		Communities:         []bgp.Community{64496<<16 | 100, bgp.NoExport},
		LargeCommunities:    []bgp.LargeCommunity{{Global: 4200000000, Local1: 1, Local2: 2}},
		ExtendedCommunities: []bgp.ExtendedCommunity{{0, 2, 0xFB, 0xF0, 0, 0, 0, 100}},
	}
	for name, tt := range map[string]struct {
		update bgp.Update
		narrow bool
		want   []seen
	}{
		"nothing": {},
		"IPv4": {
			update: bgp.Update{Announce: prefixes("198.51.100.1/32", "203.0.113.0/24"), NextHop: hop4, ASPath: []uint32{64496}},
			want: []seen{{
				Announced: []string{"198.51.100.1/32", "203.0.113.0/24"}, NextHops: []string{"192.0.2.1"},
				Attributes: []string{"{Origin: i}", "{AsPath: 64496}"},
			}},
		},
		"all attributes": {
			update: bgp.Update{
				Announce: prefixes("198.51.100.1/32"), NextHop: hop4,
				HasLocalPref: true, LocalPref: 200, Attributes: of,
			},
			want: []seen{{
				Announced: []string{"198.51.100.1/32"}, NextHops: []string{"192.0.2.1"},
				Attributes: []string{
					"{Origin: i}", "{AsPath: }", "{LocalPref: 200}", "{Communities: 64496:100, no-export}",
					"{Extcomms: [64496:100]}", "{LargeCommunity: [ 4200000000:1:2]}",
				},
			}},
		},
		"IPv6": {
			update: bgp.Update{Announce: prefixes("2001:db8:1::1/128", "2001:db8:2::/48", "::/0"), NextHop: hop6, ASPath: []uint32{64496}},
			want: []seen{{
				Announced: []string{"2001:db8:1::1/128", "2001:db8:2::/48", "::/0"}, NextHops: []string{"2001:db8::1"},
				Attributes: []string{"{Origin: i}", "{AsPath: 64496}"},
			}},
		},
		"IPv6 with a link-local address": {
			update: bgp.Update{
				Announce: prefixes("2001:db8:1::1/128"), NextHop: hop6, LinkLocal: local.WithZone("eth0"), ASPath: []uint32{64496},
				Attributes: of,
			},
			want: []seen{{
				Announced: []string{"2001:db8:1::1/128"}, NextHops: []string{"2001:db8::1", "fe80::1"},
				Attributes: []string{
					"{Origin: i}", "{AsPath: 64496}", "{Communities: 64496:100, no-export}",
					"{Extcomms: [64496:100]}", "{LargeCommunity: [ 4200000000:1:2]}",
				},
			}},
		},
		"IPv4 over IPv6": {
			update: bgp.Update{Announce: prefixes("198.51.100.1/32"), NextHop: local.WithZone("eth0"), LinkLocal: local, ASPath: []uint32{64496}},
			want: []seen{{
				Announced: []string{"198.51.100.1/32"}, NextHops: []string{"fe80::1", "fe80::1"},
				Attributes: []string{"{Origin: i}", "{AsPath: 64496}"},
			}},
		},
		"a large AS to a 2-octet speaker": {
			update: bgp.Update{Announce: prefixes("198.51.100.1/32"), NextHop: hop4, ASPath: []uint32{4200000001}, Attributes: of},
			narrow: true,
			want: []seen{{
				Announced: []string{"198.51.100.1/32"}, NextHops: []string{"192.0.2.1"},
				Attributes: []string{
					"{Origin: i}", "{AsPath: 23456}", "{Communities: 64496:100, no-export}",
					"{Extcomms: [64496:100]}", "{As4Path: 4200000001}", "{LargeCommunity: [ 4200000000:1:2]}",
				},
			}},
		},
		"a small AS to a 2-octet speaker": {
			update: bgp.Update{Announce: prefixes("198.51.100.1/32"), NextHop: hop4, ASPath: []uint32{64496}},
			narrow: true,
			want: []seen{{
				Announced: []string{"198.51.100.1/32"}, NextHops: []string{"192.0.2.1"},
				Attributes: []string{"{Origin: i}", "{AsPath: 64496}"},
			}},
		},
		"withdraw IPv4, announce others": {
			update: bgp.Update{
				Withdraw: prefixes("198.51.100.0/25", "0.0.0.0/0"),
				Announce: prefixes("198.51.100.1/32"), NextHop: hop4, ASPath: []uint32{64496},
			},
			want: []seen{
				{Withdrawn: []string{"198.51.100.0/25", "0.0.0.0/0"}},
				{
					Announced: []string{"198.51.100.1/32"}, NextHops: []string{"192.0.2.1"},
					Attributes: []string{"{Origin: i}", "{AsPath: 64496}"},
				},
			},
		},
		"withdraw IPv6": {
			update: bgp.Update{Withdraw: prefixes("2001:db8:1::1/128", "2001:db8::/32")},
			want:   []seen{{Withdrawn: []string{"2001:db8:1::1/128", "2001:db8::/32"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stream bytes.Buffer
			p := packer{to: &stream, narrow: tt.narrow}
			if err := p.write(tt.update); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, look(t, stream.Bytes(), tt.narrow)); diff != "" {
				t.Errorf("a router sees (-want +got):\n%s", diff)
			}
			if p.sent != len(tt.want) {
				t.Errorf("counted %d messages", p.sent)
			}
		})
	}
}

// TestUpdateOrder checks what the library does not mind: MP_REACH_NLRI first
// (RFC 7606, section 5.1), then ascending types (RFC 4271, section 5).
func TestUpdateOrder(t *testing.T) {
	t.Parallel()
	var stream bytes.Buffer
	p := packer{to: &stream, narrow: true}
	err := p.write(bgp.Update{
		Announce: prefixes("2001:db8:1::1/128"), NextHop: hop6, ASPath: []uint32{4200000001}, HasLocalPref: true,
		Attributes: &bgp.Attributes{
			Communities:         []bgp.Community{1},
			LargeCommunities:    []bgp.LargeCommunity{{}},
			ExtendedCommunities: []bgp.ExtendedCommunity{{}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for b := stream.Bytes()[minUpdate:]; len(b) > 0; {
		got = append(got, int(b[1]))
		if b[0]&uint8(packet.BGP_ATTR_FLAG_EXTENDED_LENGTH) != 0 {
			b = b[4+int(binary.BigEndian.Uint16(b[2:])):]
		} else {
			b = b[3+int(b[2]):]
		}
	}
	if diff := cmp.Diff([]int{14, 1, 2, 5, 8, 16, 17, 32}, got); diff != "" {
		t.Errorf("types of attributes (-want +got):\n%s", diff)
	}
}

// hosts returns n addresses of services.
func hosts(n int, ipv6 bool) []netip.Prefix {
	out := make([]netip.Prefix, n)
	for i := range out {
		var a [16]byte
		copy(a[:], "\x20\x01\x0d\xb8")
		binary.BigEndian.PutUint32(a[12:], uint32(i))
		addr := netip.AddrFrom16(a)
		if !ipv6 {
			addr = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		}
		out[i] = netip.PrefixFrom(addr, addr.BitLen())
	}
	return out
}

// TestUpdatePacked checks that every message but the last is as full as can be,
// and that together they say neither more nor less than was asked.
func TestUpdatePacked(t *testing.T) {
	t.Parallel()
	many := &bgp.Attributes{Communities: make([]bgp.Community, 100)}
	for name, tt := range map[string]struct {
		update bgp.Update
		octets int // of a prefix
	}{
		"announce IPv4":  {bgp.Update{Announce: hosts(10_000, false), NextHop: hop4, ASPath: []uint32{64496}, Attributes: many}, 5},
		"announce IPv6":  {bgp.Update{Announce: hosts(10_000, true), NextHop: hop6, LinkLocal: local, Attributes: many}, 17},
		"IPv4 over IPv6": {bgp.Update{Announce: hosts(10_000, false), NextHop: hop6}, 5},
		"withdraw IPv4":  {bgp.Update{Withdraw: hosts(10_000, false)}, 5},
		"withdraw IPv6":  {bgp.Update{Withdraw: hosts(10_000, true)}, 17},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stream bytes.Buffer
			p := packer{to: &stream}
			if err := p.write(tt.update); err != nil {
				t.Fatal(err)
			}
			sent := messages(t, stream.Bytes())
			for i, m := range sent[:len(sent)-1] {
				if len(m)+tt.octets <= maxLen {
					t.Errorf("message %d has %d octets, which leaves room for a prefix", i, len(m))
				}
			}
			var got, want []string
			for _, s := range look(t, stream.Bytes(), false) {
				got = append(append(got, s.Announced...), s.Withdrawn...)
			}
			for _, prefix := range slices.Concat(tt.update.Announce, tt.update.Withdraw) {
				want = append(want, prefix.String())
			}
			if !slices.Equal(want, got) {
				t.Errorf("a router sees %d prefixes that are not the %d sent", len(got), len(want))
			}
			if p.sent != len(sent) {
				t.Errorf("counted %d of %d messages", p.sent, len(sent))
			}
		})
	}
}

// TestUpdateTooLarge grows the attributes until no prefix fits. Whatever is sent
// is a message; whatever is not is said to be too large.
func TestUpdateTooLarge(t *testing.T) {
	t.Parallel()
	for name, u := range map[string]bgp.Update{
		"classic":        {Announce: hosts(3, false), NextHop: hop4, ASPath: []uint32{64496}},
		"multiprotocol":  {Announce: hosts(3, true), NextHop: hop6, LinkLocal: local, ASPath: []uint32{64496}},
		"IPv4 over IPv6": {Announce: hosts(3, false), NextHop: hop6, LinkLocal: local, ASPath: []uint32{64496}},
	} {
		var refused int
		for n := 980; n < 1030; n++ {
			u.Attributes = &bgp.Attributes{Communities: make([]bgp.Community, n)}
			u.Withdraw = hosts(1, u.Announce[0].Addr().Is6())
			var stream bytes.Buffer
			p := packer{to: &stream}
			err := p.write(u)
			if err == nil {
				if refused > 0 {
					t.Errorf("%s: %d communities fit, %d did not", name, n, refused)
				}
				look(t, stream.Bytes(), false)
				continue
			}
			if refused == 0 {
				t.Logf("%s: %v", name, err)
			}
			refused = n
			if !errors.Is(err, syscall.EMSGSIZE) {
				t.Errorf("%s: %v", name, err)
			}
			if stream.Len() != 0 || p.sent != 0 {
				t.Errorf("%s: part of it was sent", name)
			}
		}
		if refused == 0 {
			t.Errorf("%s: never refused", name)
		}
	}
}

func TestUpdateThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, u := range map[string]bgp.Update{
		"mixed":                {Announce: prefixes("198.51.100.1/32", "2001:db8::/32"), NextHop: hop6},
		"mixed with withdrawn": {Announce: prefixes("198.51.100.1/32"), Withdraw: prefixes("2001:db8::/32"), NextHop: hop6},
		"no next hop":          {Announce: prefixes("198.51.100.1/32")},
		"IPv6 over IPv4":       {Announce: prefixes("2001:db8::/32"), NextHop: hop4},
		"mapped next hop":      {Announce: prefixes("2001:db8::/32"), NextHop: netip.MustParseAddr("::ffff:192.0.2.1")},
		"no prefix":            {Withdraw: []netip.Prefix{{}}},
	} {
		var stream bytes.Buffer
		p := packer{to: &stream}
		if err := p.write(u); err == nil || stream.Len() != 0 {
			t.Errorf("%s: sent %x, error %v", name, stream.Bytes(), err)
		}
	}
}

func TestEndOfRIB(t *testing.T) {
	t.Parallel()
	for _, ipv6 := range []bool{false, true} {
		var stream bytes.Buffer
		p := packer{to: &stream}
		if err := p.write(bgp.EndOfRIB{IPv6: ipv6}); err != nil {
			t.Fatal(err)
		}
		m, err := packet.ParseBGPMessage(stream.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		want := packet.RF_IPv4_UC
		if ipv6 {
			want = packet.RF_IPv6_UC
		}
		if is, family := m.Body.(*packet.BGPUpdate).IsEndOfRib(); !is || family != want {
			t.Errorf("%x is End-of-RIB: %t, of %s", stream.Bytes(), is, family)
		}
	}
}

// FuzzUpdate checks that any Update that can be sent says to a router what it
// says here.
func FuzzUpdate(f *testing.F) {
	f.Add([]byte{24, 10, 0, 1, 2, 32, 10, 0, 0, 1}, uint16(3), false, false)
	f.Add([]byte{64, 1, 2, 3, 4, 128, 5, 6, 7, 8}, uint16(500), true, true)
	f.Fuzz(func(t *testing.T, raw []byte, communities uint16, ipv6, narrow bool) {
		u := bgp.Update{NextHop: hop4, ASPath: []uint32{4200000000}, Attributes: &bgp.Attributes{
			Communities: make([]bgp.Community, communities%1100),
		}}
		if ipv6 {
			u.NextHop = hop6
		}
		var want []string
		for chunk := range slices.Chunk(raw, 5) {
			var a [16]byte
			copy(a[:], chunk[1:])
			addr := netip.AddrFrom16(a)
			if !ipv6 {
				addr = netip.AddrFrom4([4]byte(a[:4]))
			}
			prefix := netip.PrefixFrom(addr, int(chunk[0])%(addr.BitLen()+1)).Masked()
			u.Announce = append(u.Announce, prefix)
			want = append(want, prefix.String())
		}
		var stream bytes.Buffer
		p := packer{to: &stream, narrow: narrow}
		if err := p.write(u); err != nil {
			if !errors.Is(err, syscall.EMSGSIZE) || communities%1100 < 900 {
				t.Fatal(err)
			}
			return
		}
		var got []string
		for _, s := range look(t, stream.Bytes(), narrow) {
			got = append(got, s.Announced...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("announced (-want +got):\n%s", diff)
		}
	})
}

func BenchmarkUpdate(b *testing.B) {
	for name, u := range map[string]bgp.Update{
		"10000 IPv4":       {Announce: hosts(10_000, false), NextHop: hop4, ASPath: []uint32{64496}},
		"10000 IPv6":       {Announce: hosts(10_000, true), NextHop: hop6, LinkLocal: local, ASPath: []uint32{64496}},
		"10000 withdrawn":  {Withdraw: hosts(10_000, false)},
		"1 with community": {Announce: hosts(1, false), NextHop: hop4, ASPath: []uint32{64496}, Attributes: &bgp.Attributes{Communities: []bgp.Community{1}}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var stream bytes.Buffer
			p := packer{to: &stream}
			for b.Loop() {
				stream.Reset()
				if err := p.write(u); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(messages(b, stream.Bytes()))), "messages")
		})
	}
}
