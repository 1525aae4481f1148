package layer2

import (
	"encoding/hex"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mdlayher/arp"
)

// The stations of all tests in this package.
var (
	ours     = MAC{0x02, 0, 0, 0, 0, 0x01}
	client   = MAC{0x02, 0, 0, 0, 0, 0xc1}
	stranger = MAC{0x02, 0, 0, 0, 0, 0x66}

	clientIP = netip.MustParseAddr("192.0.2.9")
	owned4   = netip.MustParseAddr("192.0.2.80")
	foreign4 = netip.MustParseAddr("192.0.2.81")

	sameAddr = cmpopts.EquateComparable(netip.Addr{})
)

// frame reads hexadecimal with spaces.
func frame(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

const arpRequestHex = `
	ffffffffffff 0200000000c1 0806
	0001 0800 06 04 0001
	0200000000c1 c0000209
	000000000000 c0000250`

func TestParseARP(t *testing.T) {
	t.Parallel()
	request := arpPacket{
		Dst: broadcast(), Src: client, Op: arpRequest,
		SHA: client, SPA: clientIP, TPA: owned4,
	}
	for name, tc := range map[string]struct {
		frame string
		want  arpPacket // zero: refused
	}{
		"request": {arpRequestHex, request},
		"padded":  {arpRequestHex + strings.Repeat("00", 18), request},
		"reply": {
			`0200000000c1 020000000001 0806 0001 0800 06 04 0002 020000000001 c0000250 0200000000c1 c0000209`,
			arpPacket{
				Dst: client, Src: ours, Op: arpReply,
				SHA: ours, SPA: owned4, THA: client, TPA: clientIP,
			},
		},
		"empty":              {"", arpPacket{}},
		"only a header":      {"ffffffffffff 0200000000c1 0806", arpPacket{}},
		"one octet short":    {arpRequestHex[:len(arpRequestHex)-2], arpPacket{}},
		"tagged":             {strings.Replace(arpRequestHex, " 0806", " 8100 0005 0806", 1), arpPacket{}},
		"not ARP":            {strings.Replace(arpRequestHex, " 0806", " 0800", 1), arpPacket{}},
		"HTYPE IEEE 802":     {strings.Replace(arpRequestHex, "0001 0800", "0006 0800", 1), arpPacket{}},
		"PTYPE IPv6":         {strings.Replace(arpRequestHex, "0001 0800", "0001 86dd", 1), arpPacket{}},
		"HLEN 0":             {strings.Replace(arpRequestHex, "06 04", "00 04", 1), arpPacket{}},
		"HLEN 8":             {strings.Replace(arpRequestHex, "06 04", "08 04", 1), arpPacket{}},
		"PLEN 0":             {strings.Replace(arpRequestHex, "06 04", "06 00", 1), arpPacket{}},
		"PLEN 16, truncated": {strings.Replace(arpRequestHex, "06 04", "06 10", 1), arpPacket{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, ok := parseARP(frame(t, tc.frame))
			if ok != (tc.want != arpPacket{}) {
				t.Errorf("parsed = %v", ok)
			}
			if diff := cmp.Diff(tc.want, got, sameAddr); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestARPGratuitous shows the two forms to an independent parser.
func TestARPGratuitous(t *testing.T) {
	t.Parallel()
	var got []arp.Packet
	for _, p := range arpGratuitous(owned4, ours) {
		b := p.append(nil)
		var o arp.Packet
		if err := o.UnmarshalBinary(b[ethernetLen:]); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("ffffffffffff020000000001", hex.EncodeToString(b[:12])); diff != "" {
			t.Errorf("broadcast from us: %s", diff)
		}
		got = append(got, o)
	}
	form := arp.Packet{
		HardwareType: 1, ProtocolType: 0x0800, HardwareAddrLength: 6, IPLength: 4,
		SenderHardwareAddr: ours[:], SenderIP: owned4, TargetIP: owned4,
	}
	request, reply := form, form
	request.Operation, request.TargetHardwareAddr = arp.OperationRequest, make(net.HardwareAddr, 6)
	reply.Operation, reply.TargetHardwareAddr = arp.OperationReply, ours[:]
	if diff := cmp.Diff([]arp.Packet{request, reply}, got, sameAddr); diff != "" {
		t.Error(diff)
	}
}

// FuzzARP: no frame ever elicits a reply for an unowned address; what is parsed
// is what an independent parser reads, and writing it gives the frame again.
func FuzzARP(f *testing.F) {
	f.Add(frame(f, arpRequestHex))
	f.Add(arpGratuitous(owned4, stranger)[0].append(nil))
	f.Add(arpGratuitous(owned4, stranger)[1].append(nil))
	f.Add(arpAnswer(claim{Addr: foreign4, MAC: stranger, To: station{IP: clientIP, MAC: client}}).append(nil))
	f.Add(frame(f, strings.Replace(arpRequestHex, "06 04", "00 04", 1)))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newResponder(ARP, owned4)
		reply, _, why := r.respond(in)
		if (reply == nil) == (why == "") {
			t.Fatalf("reply % x and silence %q", reply, why)
		}
		asked, ok := parseARP(in)
		if !ok {
			if reply != nil {
				t.Fatalf("answered what cannot be read: % x", reply)
			}
			return
		}
		var oracle arp.Packet
		if err := oracle.UnmarshalBinary(in[ethernetLen:]); err != nil {
			t.Fatalf("read what the oracle refuses: %v", err)
		}
		if diff := cmp.Diff(oracle.TargetIP, asked.TPA, sameAddr); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(in[:ethernetLen+arpLen], asked.append(nil)); diff != "" {
			t.Fatal(diff)
		}
		if reply == nil {
			return
		}
		said, ok := parseARP(reply)
		if !ok || asked.TPA != owned4 || said.SPA != owned4 || said.SHA != ours || said.Src != ours || said.Dst != asked.SHA {
			t.Fatalf("asked %+v, said %+v", asked, said)
		}
	})
}
