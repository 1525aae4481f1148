package network

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
)

// Cut says which traffic between hosts the switch drops. The zero value drops everything, both ways.
type Cut struct {
	// OneWay drops only what the first set of hosts sends to the second.
	OneWay bool
	// Protocol limits the cut: "arp", "ndp", "icmp", "tcp" or "udp". Empty means all traffic.
	Protocol string
	// Port limits a tcp or udp cut to packets from or to this port. 0 means all ports.
	Port uint16
	// Loss is the share of packets dropped, above 0 and up to 1. 0 means all of them, like 1.
	Loss float64
}

type cutRule struct {
	from, to []string
	cut      Cut
}

// Partition drops traffic between two sets of hosts as cut says, until the returned heal is called. Several partitions add up.
func (s *Switch) Partition(ctx context.Context, from, to []string, cut Cut) (heal func(context.Context) error, err error) {
	rule := cutRule{from: from, to: to, cut: cut}
	if err := rule.validate(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	id := s.next
	s.next++
	s.cuts[id] = rule
	s.mu.Unlock()
	heal = func(ctx context.Context) error {
		s.mu.Lock()
		delete(s.cuts, id)
		s.mu.Unlock()
		return s.applyCuts(ctx)
	}
	if err := s.applyCuts(ctx); err != nil {
		return nil, errors.Join(err, heal(ctx))
	}
	return heal, nil
}

// Heal undoes every partition.
func (s *Switch) Heal(ctx context.Context) error {
	s.mu.Lock()
	none := len(s.cuts) == 0
	clear(s.cuts)
	s.mu.Unlock()
	if none {
		return nil
	}
	return s.applyCuts(ctx)
}

// applyCuts replaces the whole rule set in one transaction, so no packet meets half of it.
func (s *Switch) applyCuts(ctx context.Context) error {
	s.mu.Lock()
	var rules strings.Builder
	for _, id := range slices.Sorted(maps.Keys(s.cuts)) {
		s.cuts[id].write(&rules)
	}
	s.mu.Unlock()
	// The first line makes the second succeed when there is no table yet.
	script := "table bridge cuts\ndelete table bridge cuts\ntable bridge cuts {\n" +
		"  chain forward {\n    type filter hook forward priority 0; policy accept;\n" + rules.String() + "  }\n}\n"
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	_, err := s.exec(cmd)
	return err
}

func (r cutRule) validate() error {
	if len(r.from) == 0 || len(r.to) == 0 {
		return fmt.Errorf("network: a partition needs hosts on both sides, got %v and %v", r.from, r.to)
	}
	if r.cut.Loss < 0 || r.cut.Loss > 1 {
		return fmt.Errorf("network: loss %v is not between 0 and 1", r.cut.Loss)
	}
	if r.cut.Port != 0 && r.cut.Protocol != "tcp" && r.cut.Protocol != "udp" {
		return fmt.Errorf("network: port %d needs protocol tcp or udp, not %q", r.cut.Port, r.cut.Protocol)
	}
	_, err := expressions(r.cut.Protocol)
	return err
}

// expressions returns nftables expressions any of which selects the protocol.
func expressions(protocol string) ([]string, error) {
	switch protocol {
	case "":
		return []string{""}, nil
	case "arp":
		return []string{"ether type arp "}, nil
	case "ndp":
		return []string{"icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, nd-redirect } "}, nil
	case "icmp":
		return []string{"ip protocol icmp ", "icmpv6 type { echo-request, echo-reply } "}, nil
	case "tcp", "udp":
		return []string{"meta l4proto " + protocol + " "}, nil
	default:
		return nil, fmt.Errorf("network: unknown protocol %q", protocol)
	}
}

func (r cutRule) write(b *strings.Builder) {
	r.writeDirection(b, r.from, r.to)
	if !r.cut.OneWay {
		r.writeDirection(b, r.to, r.from)
	}
}

func (r cutRule) writeDirection(b *strings.Builder, from, to []string) {
	loss := ""
	if r.cut.Loss > 0 && r.cut.Loss < 1 {
		loss = fmt.Sprintf("numgen random mod 10000 < %d ", int(r.cut.Loss*10000))
	}
	ports := []string{""}
	if r.cut.Port != 0 {
		ports = []string{fmt.Sprintf("th sport %d ", r.cut.Port), fmt.Sprintf("th dport %d ", r.cut.Port)}
	}
	selectors, _ := expressions(r.cut.Protocol) // validated when the rule came in
	for _, selector := range selectors {
		for _, port := range ports {
			fmt.Fprintf(b, "    iifname %s oifname %s %s%s%scounter drop\n", set(from), set(to), selector, port, loss)
		}
	}
}

func set(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = `"` + name + `"`
	}
	return "{ " + strings.Join(quoted, ", ") + " }"
}
