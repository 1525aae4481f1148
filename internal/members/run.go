package members

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// leaveTimeout is how long Run stays to tell the others that it leaves, so that
// they take over at once and not after a suspicion.
const leaveTimeout = time.Second

var errRanTwice = errors.New("members: failed to run: a list runs once")

// Run is a member until ctx ends; then it leaves, within about a second, and
// returns nil. It fails if it cannot listen. Run may be called once.
//
// A panic inside memberlist is not an error of Run: it happens on memberlist's
// goroutines and ends the process.
func (l *List) Run(ctx context.Context) error {
	if l.ran.Swap(true) {
		return errRanTwice
	}

	warned := false
	for {
		want := l.wanted()
		if want.keys.plaintext.sent && !warned {
			l.log.Warn("members talk in plaintext, for want of a key")
			warned = true
		}
		s, err := l.open(ctx, want)
		if err != nil {
			return fmt.Errorf("members: %w", err)
		}

		err = s.serve(ctx)
		if ctx.Err() != nil {
			// Whatever the reason: once a restart is to be told from a drain,
			// context.Cause(ctx) does it here.
			s.leave()
		}
		s.close()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end of ctx is how a member is stopped
		}
		if err != nil {
			return fmt.Errorf("members: %w", err)
		}
	}
}

// session is one memberlist, from its creation to its end.
type session struct {
	*List
	keys   keyset
	ring   *memberlist.Keyring
	roster *roster
	card   *cardholder
	voice  *voice
	mine   *memberlist.Memberlist

	joiner   joiner
	opened   time.Time
	answered time.Time // when a peer first told whom it knows
	complete bool
	waiting  bool // for strangers, and that was said
	ended    chan joinResult
	calls    sync.WaitGroup
	done     chan struct{}
}

type joinResult struct {
	peer netip.AddrPort
	err  error
}

// strange reports whether a peer answered, in a way that tells of another key.
// The library has only words for that, which TestWrongKey holds it to.
func (r joinResult) strange() bool { return r.err != nil && strings.Contains(r.err.Error(), "crypt") }

func (l *List) open(ctx context.Context, want wanted) (*session, error) {
	s := &session{
		List:   l,
		keys:   want.keys,
		ring:   &memberlist.Keyring{},
		roster: newRoster(),
		card:   &cardholder{node: l.node, card: want.full()},
		voice:  &voice{node: l.node, log: l.log},
		opened: time.Now(),
		ended:  make(chan joinResult),
		done:   make(chan struct{}),
	}
	if err := install(s.ring, want.keys.ring); err != nil {
		return nil, err
	}
	transport, err := l.listen(ctx, l.bind)
	if err != nil {
		return nil, fmt.Errorf("failed to listen on %v: %w", l.bind, err)
	}
	if l.aside != nil {
		transport = share(transport, l.aside)
	}
	if s.mine, err = memberlist.Create(s.config(transport)); err != nil {
		_ = transport.Shutdown()

		return nil, fmt.Errorf("failed to create a memberlist: %w", err)
	}
	l.setPort(transport)

	return s, nil
}

func (s *session) config(transport memberlist.Transport) *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	if s.wan {
		c = memberlist.DefaultWANConfig()
	}
	if s.tuning != nil {
		s.tuning.apply(c)
	}
	c.Name = s.node
	c.Transport = transport
	c.BindAddr, c.BindPort = s.bind.Addr().String(), int(s.bind.Port())
	c.AdvertiseAddr, c.AdvertisePort = c.BindAddr, c.BindPort
	c.Keyring = s.ring
	c.GossipVerifyIncoming = c.GossipVerifyIncoming && !s.keys.plaintext.accepted
	c.GossipVerifyOutgoing = c.GossipVerifyOutgoing && !s.keys.plaintext.sent
	c.Events = s.roster
	c.Delegate, c.Alive = s.card, s.card
	c.LogOutput = s.voice

	return c
}

// serve keeps joining and publishing until ctx ends or plaintext is to be
// treated differently, for which memberlist has to be created again.
func (s *session) serve(ctx context.Context) error {
	for {
		want := s.wanted()
		if want.keys.plaintext != s.keys.plaintext {
			return nil
		}
		if !want.keys.equal(s.keys) {
			if err := install(s.ring, want.keys.ring); err != nil {
				return err
			}
			s.keys = want.keys
		}
		s.show(want.full()) // after install: what is said to be accepted is

		s.call(want.peers)
		s.complete = s.complete || want.peers != nil && s.settled(time.Now())
		if s.complete && s.publish(s.roster.members()) {
			s.voice.forget()
		}

		var again <-chan time.Time
		if at, planned := s.next(time.Now()); planned {
			again = time.After(time.Until(at))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
			s.voice.forget()
		case <-s.roster.changed:
		case r := <-s.ended:
			if r.err == nil && s.answered.IsZero() {
				s.answered = time.Now()
			}
			if r.strange() && s.Members() == nil && !s.waiting {
				s.waiting = true
				s.log.Warn("waiting for peers that have another key, nothing is announced meanwhile",
					slog.Any("peer", r.peer), slog.Duration("at_most", strangeTime))
			}
			if s.joiner.ended(time.Now(), r) {
				s.log.Warn("peer cannot be joined", slog.Any("peer", r.peer), slog.Any("error", r.err))
			}
		case <-again:
		}
	}
}

// settled reports whether the roster can be shown: whether everybody who can
// be found has been. A memberlist that takes another's place looks longer,
// because its neighbours may be changing places too, and there is a view to
// keep meanwhile.
func (s *session) settled(now time.Time) bool {
	if s.estranged(now) {
		return false
	}
	calls := 1
	if s.Members() != nil {
		calls = patience
	}

	return s.joiner.triedAll(calls) || !s.answered.IsZero() && !now.Before(s.answered.Add(grace))
}

// estranged reports whether a peer that is there does not understand us, or is
// not understood. It is about to change its key, as we are: until it has, a view
// without it would make two owners of one address.
func (s *session) estranged(now time.Time) bool {
	return s.Members() == nil && s.joiner.strangers() && now.Before(s.opened.Add(strangeTime))
}

// next returns the instant at which there is something to do unasked.
func (s *session) next(now time.Time) (at time.Time, planned bool) {
	at, planned = s.joiner.next()
	if s.complete || s.answered.IsZero() {
		return at, planned
	}
	end := s.answered.Add(grace)
	if s.estranged(now) {
		end = s.opened.Add(strangeTime)
	}
	if !planned || end.Before(at) {
		return end, true
	}

	return at, planned
}

// call asks the peers that are missing, and due, for the members they know.
func (s *session) call(peers []netip.AddrPort) {
	for _, peer := range s.joiner.due(time.Now(), s.roster.missing(peers)) {
		s.calls.Go(func() {
			_, err := s.mine.Join([]string{peer.String()})
			if only := errors.Unwrap(err); only != nil {
				err = only // of a list of one, which reads badly
			}
			select {
			case s.ended <- joinResult{peer, err}:
			case <-s.done:
			}
		})
	}
}

// leave tells the others that this member goes on purpose.
func (s *session) leave() {
	if err := s.mine.Leave(leaveTimeout); err != nil {
		s.log.Debug("left without hearing an echo", slog.Any("error", err))
	}
}

// close ends everything that was started. Without leave before it, the others
// take it for a pause.
func (s *session) close() {
	s.voice.hush()
	s.setPort(nil)
	close(s.done)
	_ = s.mine.Shutdown() // it says itself what went wrong
	s.calls.Wait()
}
