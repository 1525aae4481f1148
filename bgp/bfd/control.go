package bfd

import (
	"encoding/binary"
	"time"
)

const (
	version       = 1
	controlLen    = 24
	minAuthLen    = 2                                         // type and length of an authentication section
	maxInterval   = time.Duration(1<<32-1) * time.Microsecond // of a 32-bit field
	maxControlLen = 255                                       // of an 8-bit length
)

// Bits of the second byte, below the state.
const (
	bitPoll = 1 << (5 - iota)
	bitFinal
	bitControlPlaneIndependent
	bitAuthentication
	bitDemand
	bitMultipoint
)

// control is a BFD Control packet (RFC 5880, 4.1). Intervals are whole
// microseconds.
type control struct {
	diag                                   Diagnostic
	state                                  State
	poll, final, independent, auth, demand bool
	multiplier                             uint8
	mine, yours                            uint32 // discriminators, as the sender sees them
	desiredTx, requiredRx, requiredEchoRx  time.Duration
}

// append appends the packet to b, always without an authentication section.
func (c control) append(b []byte) []byte {
	bits := byte(c.state) << 6
	for _, f := range [...]struct {
		set bool
		bit byte
	}{
		{c.poll, bitPoll},
		{c.final, bitFinal},
		{c.independent, bitControlPlaneIndependent},
		{c.demand, bitDemand},
	} {
		if f.set {
			bits |= f.bit
		}
	}
	b = append(b, version<<5|byte(c.diag)&0x1f, bits, c.multiplier, controlLen)
	b = binary.BigEndian.AppendUint32(b, c.mine)
	b = binary.BigEndian.AppendUint32(b, c.yours)
	for _, d := range [...]time.Duration{c.desiredTx, c.requiredRx, c.requiredEchoRx} {
		b = binary.BigEndian.AppendUint32(b, uint32(d/time.Microsecond))
	}
	return b
}

// discard says why a packet is dropped.
type discard uint8

const (
	keep discard = iota
	malformed
	authenticated
	tooFar    // its TTL is too low
	noSession // nobody here expects it
)

// parseControl makes the checks of RFC 5880, 6.8.6 that need no session, in
// the order given there.
func parseControl(b []byte) (control, discard) {
	if len(b) < controlLen || b[0]>>5 != version {
		return control{}, malformed
	}
	c := control{
		diag:           Diagnostic(b[0] & 0x1f),
		state:          State(b[1] >> 6),
		poll:           b[1]&bitPoll != 0,
		final:          b[1]&bitFinal != 0,
		independent:    b[1]&bitControlPlaneIndependent != 0,
		auth:           b[1]&bitAuthentication != 0,
		demand:         b[1]&bitDemand != 0,
		multiplier:     b[2],
		mine:           binary.BigEndian.Uint32(b[4:]),
		yours:          binary.BigEndian.Uint32(b[8:]),
		desiredTx:      interval(b[12:]),
		requiredRx:     interval(b[16:]),
		requiredEchoRx: interval(b[20:]),
	}
	shortest, length := controlLen, int(b[3])
	if c.auth {
		shortest += minAuthLen
	}
	switch {
	case length < shortest, length > len(b),
		c.multiplier == 0,
		b[1]&bitMultipoint != 0,
		c.mine == 0,
		c.yours == 0 && c.state != Down && c.state != AdminDown:
		return control{}, malformed
	}
	return c, keep
}

func interval(b []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(b)) * time.Microsecond
}
