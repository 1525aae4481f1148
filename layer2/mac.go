package layer2

import "net"

// MAC is an Ethernet hardware address. The zero MAC belongs to no station.
type MAC [6]byte

// String returns the six octets in lower-case hexadecimal, separated by colons.
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// isStation reports whether m can be the address of one station, which neither
// the zero address nor a group address can (IEEE 802, the I/G bit).
func (m MAC) isStation() bool { return m != MAC{} && m[0]&1 == 0 }
