package members

import (
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/hashicorp/memberlist"
)

// Card is what a member says of itself, carried by memberlist. Members that
// say nothing, such as MetalLB's speakers, have the zero Card.
type Card struct {
	// Heartbeat: the member takes part in the heartbeats sent over this port.
	Heartbeat bool
	// LinksKnown: Links is complete. Otherwise there may be more of them, and it is
	// not known of any that it is not there.
	LinksKnown bool
	// Links are the interfaces on which the member can answer for addresses,
	// sorted by name.
	Links []Link
	// Keys are the marks of the keys that the member accepts; the first is the one
	// that it uses. A List fills them in by itself.
	Keys []string
}

// Link is one interface of a member.
type Link struct {
	Name string
	// IPv4 and IPv6 say for which addresses it can answer.
	IPv4, IPv6 bool
	// MAC is what its answers give out; zero if not known.
	MAC [6]byte
	// Recovering: the link was lost, and has not been back for long enough to be
	// relied upon.
	Recovering bool
}

// Equal reports whether both say the same.
func (c Card) Equal(o Card) bool {
	return c.Heartbeat == o.Heartbeat && c.LinksKnown == o.LinksKnown &&
		slices.Equal(c.Links, o.Links) && slices.Equal(c.Keys, o.Keys)
}

// cardholder shows a card to memberlist, which asks for it on its own
// goroutines.
type cardholder struct {
	node string

	mu   sync.Mutex
	card Card
}

var (
	_ memberlist.Delegate      = (*cardholder)(nil)
	_ memberlist.AliveDelegate = (*cardholder)(nil)
)

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
	text, _ := h.card.encode(limit)
	return text
}

var errOtherKey = errors.New("it does not accept our key yet, or we do not accept its")

// NotifyAlive implements memberlist.AliveDelegate: who does not understand us, or
// whom we do not understand, is no member yet, though a third may tell of it. It
// could own addresses otherwise that it knows nothing of. Those that do not tell
// their keys are taken to have ours.
func (h *cardholder) NotifyAlive(n *memberlist.Node) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	ours, theirs := h.card.Keys, parseCard(n.Meta).Keys
	if n.Name == h.node || len(ours) == 0 || len(theirs) == 0 || slices.Contains(theirs, ours[0]) && slices.Contains(ours, theirs[0]) {
		return nil
	}
	return errOtherKey
}

// NotifyMsg implements memberlist.Delegate.
func (*cardholder) NotifyMsg([]byte) {}

// GetBroadcasts implements memberlist.Delegate.
func (*cardholder) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState implements memberlist.Delegate.
func (*cardholder) LocalState(bool) []byte { return nil }

// MergeRemoteState implements memberlist.Delegate.
func (*cardholder) MergeRemoteState([]byte, bool) {}

// show takes in what the card is to say, and tells the others if that is new.
func (s *session) show(c Card) {
	if !s.card.set(c) {
		return
	}
	if _, whole := c.encode(memberlist.MetaMaxSize); !whole {
		s.log.Warn("too many interfaces to tell the other nodes of, they take it that this one has any",
			slog.Int("interfaces", len(c.Links)))
	}
	s.calls.Go(func() {
		if err := s.mine.UpdateNode(leaveTimeout); err != nil {
			s.log.Debug("card was not heard by all", slog.Any("error", err))
		}
	})
}
