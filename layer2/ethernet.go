package layer2

import "encoding/binary"

const (
	ethernetLen   = 14 // destination, source, EtherType; no tag, no check sequence
	etherTypeARP  = 0x0806
	etherTypeIPv6 = 0x86dd

	// frameMax holds the largest request worth an answer. A longer frame arrives
	// cut and is malformed; nothing that asks for an address is as long.
	frameMax = 2048
)

// appendEthernet appends an Ethernet header to b.
func appendEthernet(b []byte, dst, src MAC, etherType uint16) []byte {
	b = append(b, dst[:]...)
	b = append(b, src[:]...)
	return binary.BigEndian.AppendUint16(b, etherType)
}

// broadcast is the address of every station on the link.
func broadcast() MAC { return MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }
