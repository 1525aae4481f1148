package members

import (
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
		for _, l := range c.Links {
			families := ""
			if l.IPv4 {
				families += "4"
			}
			if l.IPv6 {
				families += "6"
			}
			words = append(words, families+":"+l.Name)
		}
	}
	if long := strings.Join(words, " "); len(long) <= limit {
		return []byte(long)
	}
	return []byte(short)
}

// parseCard reads what encode wrote, and nothing else for the zero Card.
func parseCard(text []byte) Card {
	words := strings.Fields(string(text))
	if len(words) == 0 || words[0] != cardMark {
		return Card{}
	}
	var c Card
	for _, w := range words[1:] {
		switch families, name, isLink := strings.Cut(w, ":"); {
		case w == cardHeartbeat:
			c.Heartbeat = true
		case w == cardLinks:
			c.LinksKnown = true
		case isLink && strings.Trim(families, "46") == "":
			c.Links = append(c.Links, Link{
				Name: name, IPv4: strings.Contains(families, "4"), IPv6: strings.Contains(families, "6"),
			})
		}
	}
	slices.SortFunc(c.Links, func(a, b Link) int { return strings.Compare(a.Name, b.Name) })
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
