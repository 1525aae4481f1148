package frames

import (
	"net/netip"
	"slices"
	"time"
)

// Inquiry is one question for an address, and who answered it.
type Inquiry struct {
	At time.Time
	By []string // the hosts that answered before the next question, each once, in the order of their answers
}

// Inquiries returns the questions for the address that a host asked, in order. Nothing in an answer says which question it is for, so it
// counts for the last one before it; see [Sender.AskEvery].
func Inquiries(records []Record, asker string, addr netip.Addr) []Inquiry {
	var all []Inquiry
	for _, r := range records {
		if r.Port == asker && r.asks(addr) {
			all = append(all, Inquiry{At: r.At})
			continue
		}
		claimed, ok := r.Claim()
		if !ok || claimed != addr || r.Gratuitous() || len(all) == 0 {
			continue
		}
		if last := &all[len(all)-1]; !slices.Contains(last.By, r.Port) {
			last.By = append(last.By, r.Port)
		}
	}
	return all
}

// asks reports whether the frame is a question for the address.
func (r Record) asks(addr netip.Addr) bool {
	switch r.Kind {
	case ARPRequest:
		return r.Target == addr && !r.Gratuitous()
	case NeighborSolicitation:
		return r.Target == addr
	default:
		return false
	}
}
