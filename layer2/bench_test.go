package layer2

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// BenchmarkAnswerARP is the whole way of a request for one of 5,000 addresses,
// from frame to frame.
func BenchmarkAnswerARP(b *testing.B) {
	var addrs []netip.Addr
	for i := range 5000 {
		addrs = append(addrs, netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}))
	}
	r := newResponder(ARP, addrs...)
	request := frame(b, arpRequestHex)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		ip := addrs[i%len(addrs)].As4()
		copy(request[38:], ip[:])
		if reply, _, why := r.respond(request); reply == nil {
			b.Fatal(why)
		}
		i++
	}
}

// BenchmarkIgnoreARP is the way of a request for somebody else.
func BenchmarkIgnoreARP(b *testing.B) {
	r := newResponder(ARP, foreign4)
	request := frame(b, arpRequestHex)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, why := r.respond(request); why != notOwned {
			b.Fatal(why)
		}
	}
}

// BenchmarkAnswerNDP is BenchmarkAnswerARP for solicitations.
func BenchmarkAnswerNDP(b *testing.B) {
	addrs := []netip.Addr{owned6}
	for i := range 4999 {
		addrs = append(addrs, netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 13: 1, 14: byte(i >> 8), 15: byte(i)}))
	}
	r := newResponder(NDP, addrs...)
	request := solicitation().append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if reply, _, why := r.respond(request); reply == nil {
			b.Fatal(why)
		}
	}
}

// BenchmarkOneMore is what it costs the loop of an engine that owns 5,000 addresses
// to be given one more, and to have it taken away again.
func BenchmarkOneMore(b *testing.B) {
	few := Config{Interfaces: []Interface{link("eth0", 2)}}
	for i := range 5000 {
		few.Announcements = append(few.Announcements, Announcement{
			Addr: netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), Interfaces: []string{"eth0"},
		})
	}
	for i := range byte(3) {
		few.Watched = append(few.Watched, Announcement{Addr: netip.AddrFrom4([4]byte{198, 53, 0, i}), Interfaces: []string{"eth0"}})
	}
	more := few
	more.Announcements = append(slices.Clone(few.Announcements), Announcement{Addr: netip.AddrFrom4([4]byte{198, 52}), Interfaces: []string{"eth0"}})
	e, err := New(Options{Wire: newMemory()})
	if err != nil {
		b.Fatal(err)
	}
	l := newLoop(e)
	defer l.close()
	now := time.Now()
	l.apply(few, now)
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range []Config{more, few} {
			now = now.Add(time.Minute)
			l.apply(c, now)
			l.watch(now)
			l.contests.yields = map[netip.Addr]time.Time{}
		}
	}
}
