package gobgp

import "encoding/hex"

// malformed are messages that break a rule each, among them those that have
// crashed other speakers; advisory names it where there is one.
var malformed = []malformedMessage{
	{name: "NEXT_HOP of 2 octets", kind: 2, body: "000000124001010040020602010000fe4c400302010218c0a801", advisory: "CVE-2026-30405"},
	{name: "NEXT_HOP of 2 octets, no AS", kind: 2, body: "0000000d4001010240020040030201020118c0a801"},
	{name: "AS4_PATH before AS_PATH", kind: 2, body: "0000001b40010100c0110602010000fe4c4002040201fe4c4003047f00010118c0a801", advisory: "CVE-2026-41643"},
	{name: "AS4_PATH before AS_PATH at the end", kind: 2, body: "0000001b400101004003047f000101c0110602010000fe4c4002040201fe4c18c0a801"},
	{name: "AS4_PATH from a 4-octet speaker", kind: 2, body: "0000001d400101004003047f000101c0110602010000fe4c40020602010000fe4c18c0a801"},
	{name: "unknown well-known attribute", kind: 2, body: "000000184001010040020602010000fe4c4003047f0001014063010018c0a801", advisory: "CVE-2026-41642"},
	{name: "ORIGIN not transitive", kind: 2, body: "000000140001010040020602010000fe4c4003047f00010118c0a801"},
	{name: "withdrawn routes too short", kind: 2, body: "0002200a0000010000", advisory: "CVE-2026-37462"},
	{name: "IPv6 extended community short", kind: 2, body: "000000184001010040020602010000fe4c4003047f000101c01901ff18c0a801", advisory: "CVE-2026-37461"},
	{name: "prefix SID truncated", kind: 2, body: "0000001e4001010040020602010000fe4c4003047f000101c028070500040001000118c0a801", advisory: "CVE-2026-7734"},
	{name: "prefix SID truncated earlier", kind: 2, body: "0000001b4001010040020602010000fe4c4003047f000101c028040500010018c0a801"},
	{name: "empty AS_PATH", kind: 2, body: "0000000e400101004002004003047f00010118c0a801"},
	{name: "AS_PATH segment truncated", kind: 2, body: "00000011400101004002030205ff4003047f00010118c0a801"},
	{name: "tunnel encapsulation truncated", kind: 2, body: "0000001b4001010040020602010000fe4c4003047f000101c01704000f001018c0a801"},
	{name: "AIGP truncated", kind: 2, body: "000000194001010040020602010000fe4c4003047f000101801a02010018c0a801"},
	{name: "link state truncated", kind: 2, body: "0000001b4001010040020602010000fe4c4003047f000101801d040400001018c0a801"},
	{name: "large community of 11 octets", kind: 2, body: "000000224001010040020602010000fe4c4003047f000101c0200b000000010000000100000018c0a801"},
	{name: "extended community of 7 octets", kind: 2, body: "0000001e4001010040020602010000fe4c4003047f000101c010070002000000010018c0a801"},
	{name: "MP_REACH unknown AFI", kind: 2, body: "000000184001010040020602010000fe4c800e08006301007f000101"},
	{name: "MP_REACH short next hop", kind: 2, body: "000000164001010040020602010000fe4c800e06000201ff0000"},
	{name: "MP_UNREACH unknown AFI", kind: 2, body: "00000006800f03006301"},
	{name: "MP_REACH EVPN", kind: 2, body: "0000001b4001010040020602010000fe4c800e0b001946047f000101000102"},
	{name: "MP_REACH twice", kind: 2, body: "0000001d4001010040020602010000fe4c800e050001010400800e050001010400"},
	{name: "OPEN bad cap", kind: 1, body: "04fe4c005a0aff000904020241ff"},
	{name: "OPEN GR short", kind: 1, body: "04fe4c005a0aff0009050203400100"},
	{name: "OPEN GR odd tuple", kind: 1, body: "04fe4c005a0aff000907020540030000ff"},
	{name: "OPEN version zero", kind: 1, body: "04fe4c005a0aff00090502034b0100"},
	{name: "OPEN FQDN over", kind: 1, body: "04fe4c005a0aff00090502034901ff"},
	{name: "OPEN MP short", kind: 1, body: "04fe4c005a0aff0009050203010100"},
	{name: "OPEN addpath short", kind: 1, body: "04fe4c005a0aff0009050203450100"},
	{name: "OPEN extnh short", kind: 1, body: "04fe4c005a0aff0009050203050100"},
	{name: "OPEN length lies", kind: 1, body: "04fe4c005a0aff0009ff0203010100"},
	{name: "unknown type 9", kind: 9, body: "00"},
	{name: "unknown type 0", kind: 0, body: ""},
}

type malformedMessage struct {
	name, advisory string
	kind           uint8
	body           string // in hexadecimal
}

func (m malformedMessage) message() []byte {
	body, err := hex.DecodeString(m.body)
	if err != nil {
		panic(err)
	}
	return framed(m.kind, body)
}
