package members

import (
	"encoding/hex"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/memberlist"
)

// Card is what a member says of itself, carried by memberlist. Members that
// say nothing, such as MetalLB's speakers, have the zero Card.
type Card struct {
	// Heartbeat: the member takes part in the heartbeats sent over this port.
	Heartbeat bool
	// LinksKnown: Links is complete. Otherwise nothing is known of them.
	LinksKnown bool
	// Links are the interfaces on which the member can answer for addresses,
	// sorted by name.
	Links []Link
}

// Link is one interface of a member.
type Link struct {
	Name string
	// IPv4 and IPv6 say for which addresses it can answer.
	IPv4, IPv6 bool
	// MAC is what its answers give out; zero if not known.
	MAC [6]byte
}

// Equal reports whether both say the same.
func (c Card) Equal(o Card) bool {
	return c.Heartbeat == o.Heartbeat && c.LinksKnown == o.LinksKnown && slices.Equal(c.Links, o.Links)
}

const (
	cardMark      = "clarion"
	cardHeartbeat = "+heartbeat"
	cardLinks     = "+links"
)

// encode writes the card as words, of which readers skip those they do not
// know. Links that do not fit into limit octets are left out, all of them: half
// of the truth would move addresses.
func (c Card) encode(limit int) []byte {
	words := []string{cardMark}
	if c.Heartbeat {
		words = append(words, cardHeartbeat)
	}
	short := strings.Join(words, " ")
	if c.LinksKnown {
		words = append(words, cardLinks)
		var last [6]byte
		for _, l := range c.Links {
			words = append(words, l.encode(last))
			last = l.MAC
		}
	}
	if long := strings.Join(words, " "); len(long) <= limit {
		return []byte(long)
	}
	return []byte(short)
}

// encode writes the link as families:name:MAC, the last left out if it is that
// of the link before: VLANs mostly have one in common, and the space is short.
func (l Link) encode(last [6]byte) string {
	word := ":" + l.Name
	if l.IPv6 {
		word = "6" + word
	}
	if l.IPv4 {
		word = "4" + word
	}
	if l.MAC == last {
		return word
	}
	return word + ":" + hex.EncodeToString(l.MAC[:])
}

// parseLink reads what encode wrote. A MAC that cannot be read is not known.
func parseLink(word string, last [6]byte) (l Link, ok bool) {
	families, rest, isLink := strings.Cut(word, ":")
	if !isLink || strings.Trim(families, "46") != "" {
		return Link{}, false
	}
	name, text, own := strings.Cut(rest, ":")
	l = Link{Name: name, IPv4: strings.Contains(families, "4"), IPv6: strings.Contains(families, "6"), MAC: last}
	if own {
		l.MAC = [6]byte{}
		if mac, err := hex.DecodeString(text); err == nil && len(mac) == len(l.MAC) {
			l.MAC = [6]byte(mac)
		}
	}
	return l, true
}

// parseCard reads what encode wrote, and nothing else for the zero Card.
func parseCard(text []byte) Card {
	words := strings.Fields(string(text))
	if len(words) == 0 || words[0] != cardMark {
		return Card{}
	}
	var c Card
	var last [6]byte
	for _, w := range words[1:] {
		switch w {
		case cardHeartbeat:
			c.Heartbeat = true
		case cardLinks:
			c.LinksKnown = true
		default:
			if l, ok := parseLink(w, last); ok {
				c.Links = append(c.Links, l)
				last = l.MAC
			}
		}
	}
	slices.SortStableFunc(c.Links, func(a, b Link) int { return strings.Compare(a.Name, b.Name) })
	return c
}

// cardholder shows a card to memberlist, which asks for it on its own
// goroutines.
type cardholder struct {
	mu   sync.Mutex
	card Card
}

var _ memberlist.Delegate = (*cardholder)(nil)

// set reports whether the card is another one.
func (h *cardholder) set(c Card) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.card.Equal(c) {
		return false
	}
	h.card = c
	return true
}

// NodeMeta implements memberlist.Delegate.
func (h *cardholder) NodeMeta(limit int) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.card.encode(limit)
}

// NotifyMsg implements memberlist.Delegate.
func (*cardholder) NotifyMsg([]byte) {}

// GetBroadcasts implements memberlist.Delegate.
func (*cardholder) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState implements memberlist.Delegate.
func (*cardholder) LocalState(bool) []byte { return nil }

// MergeRemoteState implements memberlist.Delegate.
func (*cardholder) MergeRemoteState([]byte, bool) {}

// showCard tells the others that the card is another one.
func (s *session) showCard() {
	if err := s.mine.UpdateNode(leaveTimeout); err != nil {
		s.log.Debug("card was not heard by all", slog.Any("error", err))
	}
}
