package interop_test

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/clarion-lb/clarion/e2e/router"
)

// neighbor is a router's half of a session: what its administrator configures.
type neighbor struct {
	Addr            netip.Addr
	AS              uint32 // of the node; 0 means nodeAS
	IPv4, IPv6      bool
	ExtendedNextHop bool
	Password        string
	MultiHop        bool
	TTLSecurity     bool
	BFD             bool
	HoldTime        int // seconds; 0 means 9
	// FRR and BIRD are lines for the neighbour in either language.
	FRR, BIRD string
}

// side is a router: its configuration but for the language.
type side struct {
	Number    int    // of its host; 0 means torNumber
	AS        uint32 // 0 means torAS
	Neighbors []neighbor
	// BFD says how it watches: milliseconds and a multiplier. 0 means 100 and 5.
	Interval, Multiplier int
	// FRR and BIRD are lines for the whole in either language, FRR's inside "router bgp".
	FRR, BIRD string
}

func (s side) defaults() side {
	if s.Number == 0 {
		s.Number = torNumber
	}
	if s.AS == 0 {
		s.AS = torAS
	}
	if s.Interval == 0 {
		s.Interval = 100
	}
	if s.Multiplier == 0 {
		s.Multiplier = 5
	}
	neighbors := make([]neighbor, len(s.Neighbors))
	for i, n := range s.Neighbors {
		if n.AS == 0 {
			n.AS = nodeAS
		}
		if n.HoldTime == 0 {
			n.HoldTime = 9
		}
		if !n.IPv4 && !n.IPv6 {
			n.IPv4, n.IPv6 = n.Addr.Is4(), n.Addr.Is6()
		}
		neighbors[i] = n
	}
	s.Neighbors = neighbors
	return s
}

// frr is the configuration in FRR's language.
func (s side) frr() string {
	s = s.defaults()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("bfd\n profile test\n  transmit-interval %d\n  receive-interval %d\n  detect-multiplier %d\n!", s.Interval, s.Interval, s.Multiplier)
	line("router bgp %d", s.AS)
	line(" bgp router-id 192.0.2.%d", s.Number)
	line(" no bgp ebgp-requires-policy\n no bgp network import-check\n no bgp default ipv4-unicast\n bgp bestpath as-path multipath-relax")
	for _, n := range s.Neighbors {
		line(" neighbor %s remote-as %d", n.Addr, n.AS)
		line(" neighbor %s timers %d %d\n neighbor %s timers connect 1", n.Addr, n.HoldTime/3, n.HoldTime, n.Addr)
		if n.Password != "" {
			line(" neighbor %s password %s", n.Addr, n.Password)
		}
		if n.MultiHop {
			line(" neighbor %s ebgp-multihop 5", n.Addr)
		}
		if n.TTLSecurity {
			line(" neighbor %s ttl-security hops 1", n.Addr)
		}
		if n.ExtendedNextHop {
			line(" neighbor %s capability extended-nexthop", n.Addr)
		}
		if n.BFD {
			line(" neighbor %s bfd profile test", n.Addr)
		}
		for text := range strings.Lines(n.FRR) {
			line(" neighbor %s %s", n.Addr, strings.TrimSpace(text))
		}
	}
	for _, family := range []router.Family{router.IPv4, router.IPv6} {
		line(" address-family %s unicast\n  maximum-paths 64\n  maximum-paths ibgp 64", family)
		for _, n := range s.Neighbors {
			if family == router.IPv4 && n.IPv4 || family == router.IPv6 && n.IPv6 {
				line("  neighbor %s activate", n.Addr)
			}
		}
		line(" exit-address-family")
	}
	line("%s", s.FRR)
	return b.String()
}

// bird is the configuration in BIRD's language.
func (s side) bird() string {
	s = s.defaults()
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("log stderr all;\nrouter id 192.0.2.%d;\nprotocol device {}\nprotocol direct { ipv4; ipv6; }", s.Number)
	line("protocol bfd { interface \"*\" { interval %d ms; multiplier %d; }; multihop { interval %d ms; multiplier %d; }; }",
		s.Interval, s.Multiplier, s.Interval, s.Multiplier)
	for _, family := range []router.Family{router.IPv4, router.IPv6} {
		line("protocol kernel { %s { import none; export where source = RTS_BGP; }; merge paths on; }", family)
	}
	for i, n := range s.Neighbors {
		local := ""
		if n.MultiHop { // BFD wants to know
			local = map[bool]netip.Addr{true: farV4(s.Number), false: farV6(s.Number)}[n.Addr.Is4()].String()
		}
		line("protocol bgp n%d {\n  local %s as %d;\n  neighbor %s as %d;\n  hold time %d;\n  error wait time 1, 2; connect retry time 1;",
			i, local, s.AS, n.Addr, n.AS, n.HoldTime)
		if n.Password != "" {
			line("  password %q;", n.Password)
		}
		if n.MultiHop {
			line("  multihop 5;")
		}
		if n.TTLSecurity {
			line("  ttl security on;")
		}
		if n.BFD {
			line("  bfd on;")
		}
		line("  %s", n.BIRD)
		channel := "import all; export where source = RTS_STATIC;"
		if n.IPv4 {
			line("  ipv4 { %s %s };", channel, map[bool]string{true: "extended next hop on;"}[n.ExtendedNextHop])
		}
		if n.IPv6 {
			line("  ipv6 { %s };", channel)
		}
		line("}")
	}
	line("%s", s.BIRD)
	return b.String()
}

// routers returns how to start each kind of router.
func routers() map[string]func(*rig, side) router.Router {
	return map[string]func(*rig, side) router.Router{
		"FRR":  func(r *rig, s side) router.Router { return r.frr(s.defaults().Number, s.frr()) },
		"BIRD": func(r *rig, s side) router.Router { return r.bird(s.defaults().Number, s.bird()) },
	}
}
