package allocator

import (
	"encoding/binary"
	"math"
	"math/bits"
	"net/netip"

	"go4.org/netipx"

	"github.com/clarion-lb/clarion/config"
)

// Usage is how full a pool is, in addresses. What is more than an int64 can
// say counts as the largest int64.
type Usage struct {
	// Assigned counts distinct addresses: a shared one counts once. After a
	// pool has shrunk it may exceed the capacity until Services have moved.
	AssignedIPv4, AssignedIPv6 int64
	// Capacity counts what the pool could give, without what it withholds.
	CapacityIPv4, CapacityIPv6 int64
	// Quarantined counts those that strangers use and no Service holds.
	QuarantinedIPv4, QuarantinedIPv6 int64
	// Services counts those that hold an address of the pool.
	Services int64
	// Suspended: nothing new is taken from the pool.
	Suspended bool
}

// Assigned returns the addresses in use of one family.
func (u Usage) Assigned(f config.Family) int64 {
	if f == config.IPv6 {
		return u.AssignedIPv6
	}
	return u.AssignedIPv4
}

// Capacity returns the size of the pool in one family.
func (u Usage) Capacity(f config.Family) int64 {
	if f == config.IPv6 {
		return u.CapacityIPv6
	}
	return u.CapacityIPv4
}

// Quarantined returns the addresses of one family that strangers use.
func (u Usage) Quarantined(f config.Family) int64 {
	if f == config.IPv6 {
		return u.QuarantinedIPv6
	}
	return u.QuarantinedIPv4
}

// Available returns the addresses that are still to be had of one family, never
// fewer than none.
func (u Usage) Available(f config.Family) int64 {
	if u.Suspended {
		return 0
	}
	return max(0, u.Capacity(f)-u.Assigned(f)-u.Quarantined(f))
}

// Low reports whether at least that share of the addresses of one family, in
// percent, is in use. Of a family the pool does not have, none is.
func (u Usage) Low(f config.Family, percent int) bool {
	assigned, capacity := u.Assigned(f), u.Capacity(f)
	return capacity > 0 && float64(assigned) >= float64(capacity)*float64(percent)/100
}

// Usage returns how full a pool is. It costs the same however much is in use,
// but for what strangers use.
func (l *Ledger) Usage(p *config.Pool) Usage {
	assigned, capacity := l.assigned[p.Name], capacityOf(p)
	var quarantined count
	for _, c := range l.Quarantine(p) {
		quarantined[slot(config.FamilyOf(c.Address))]++
	}
	return Usage{
		AssignedIPv4: assigned[0], AssignedIPv6: assigned[1],
		CapacityIPv4: capacity[0], CapacityIPv6: capacity[1],
		QuarantinedIPv4: quarantined[0], QuarantinedIPv6: quarantined[1],
		Services: l.served[p.Name], Suspended: p.Suspended,
	}
}

// capacityOf counts what a pool could give.
func capacityOf(p *config.Pool) count {
	var n count
	for _, r := range p.Ranges {
		if config.FamilyOf(r.From()) == config.IPv4 {
			n[0] = saturatingAdd(n[0], sizeIPv4(r, p.AvoidBuggyIPs))
		} else {
			n[1] = saturatingAdd(n[1], sizeIPv6(r))
		}
	}
	return n
}

// sizeIPv4 counts the addresses of a range, on demand without those that end
// in .0 or .255.
func sizeIPv4(r netipx.IPRange, avoidBuggy bool) int64 {
	from, to := number(r.From()), number(r.To())
	size := to - from + 1
	if avoidBuggy {
		// Up to and including n, n/256 + 1 numbers end in 0, (n+1)/256 in 255.
		size -= (to/256 + 1) - (from+255)/256
		size -= (to+1)/256 - from/256
	}
	return size
}

func number(a netip.Addr) int64 {
	b := a.As4()
	return int64(binary.BigEndian.Uint32(b[:]))
}

// sizeIPv6 counts the addresses of a range. From 2^62 on it is the largest
// int64, which is where MetalLB stops counting.
func sizeIPv6(r netipx.IPRange) int64 {
	from, to := r.From().As16(), r.To().As16()
	lo, borrow := bits.Sub64(binary.BigEndian.Uint64(to[8:]), binary.BigEndian.Uint64(from[8:]), 0)
	hi, _ := bits.Sub64(binary.BigEndian.Uint64(to[:8]), binary.BigEndian.Uint64(from[:8]), borrow)
	if hi > 0 || lo >= 1<<62-1 {
		return math.MaxInt64
	}
	return int64(lo) + 1
}

// saturatingAdd adds two numbers that are not negative.
func saturatingAdd(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
