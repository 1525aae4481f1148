package bgp

import (
	"fmt"
	"time"
)

const (
	// openLimit is how long the exchange of OPENs may take. RFC 4271, section
	// 8.2.2 suggests four minutes of patience with a slow router; a data-centre
	// one answers in milliseconds, and one that hangs must not keep us from
	// calling it again when it has been restarted.
	openLimit = 10 * time.Second
	// steady is how long a session must have lasted for the next one to begin at
	// once when it is lost.
	steady = 5 * time.Second
	// late is how far behind its timers a process is that was paused or starved
	// rather than busy, and excuse what the router then gets to be heard.
	late   = 100 * time.Millisecond
	excuse = time.Second
	// lastWords is how long to go on receiving from a router to which nothing can
	// be sent any more: it may have said why.
	lastWords = time.Second
	// sendHoldWithoutHold limits a message where no hold time is in force
	// (RFC 9687, section 6).
	sendHoldWithoutHold = 8 * time.Minute
)

// machine is the state machine of a session that only calls (RFC 4271, section
// 8). It touches nothing: it is told what happens and when, and keeps in do what
// is to be done about it. The report is its memory.
type machine struct {
	session Session
	me      self
	dice    func() float64 // in [0,1)

	report PeerStatus
	timers timers
	do     effects

	began  time.Time // the attempt to connect
	path   Path
	ours   Open
	theirs Open
	agreed agreement

	excused  time.Time // when the router was last given more time; zero since it was heard
	sendFail error     // why nothing can be sent any more

	flapping bool  // the last session was lost before it was steady
	told     Cause // the failure that has been logged
}

// timers are the instants when something is due; zero is never.
type timers struct {
	connect   time.Time // Idle: the next attempt
	open      time.Time // the end of the OPEN exchange
	hold      time.Time // the router must have been heard
	keepalive time.Time // we must have spoken
	send      time.Time // what is being sent must have gone (RFC 9687)
	lastWords time.Time
	steady    time.Time // the session is worth a word in the log
}

// effects are what a machine wants done.
type effects struct {
	dial        bool
	send        []Message
	established bool
	refresh     Families // to be advertised again
	hangUp      *ending  // end the connection or the attempt
	log         []entry
}

// entry is a line of the log: that the session is established or, with an
// ending, that it was lost or did not come about. A quiet one repeats what has
// been said.
type entry struct {
	ending *ending
	lost   bool
	quiet  bool
}

// take returns what is to be done, once.
func (m *machine) take() effects {
	do := m.do
	m.do = effects{}
	return do
}

// reset makes s the session, to be called now.
func (m *machine) reset(s Session, now time.Time) {
	m.session = s
	m.report.Address = s.remote()
	m.flapping, m.told = false, NoCause
	m.timers = timers{connect: now}
}

// next returns when tick has something to do.
func (m *machine) next() time.Time {
	var first time.Time
	t := m.timers
	for _, at := range []time.Time{t.connect, t.open, t.hold, t.keepalive, t.send, t.lastWords, t.steady} {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

// tick does what is due.
func (m *machine) tick(now time.Time) {
	switch {
	case due(m.timers.connect, now):
		m.began, m.timers.connect = now, time.Time{}
		m.enter(Connect, now)
		m.do.dial = true
	case due(m.timers.lastWords, now):
		m.end(breaking(m.report.State, m.sendFail), now)
	case m.expired(&m.timers.open, now):
		m.end(ending{
			cause:  HoldTimerExpired,
			detail: fmt.Sprintf("the router did not complete the exchange of OPENs within %s", openLimit),
			say:    &Notification{Code: ErrorHoldTime},
		}, now)
	case m.expired(&m.timers.hold, now):
		m.end(ending{
			cause:  HoldTimerExpired,
			detail: fmt.Sprintf("the router was not heard for %s", m.agreed.hold),
			say:    &Notification{Code: ErrorHoldTime},
		}, now)
	case m.expired(&m.timers.send, now):
		m.end(ending{
			cause:  HoldTimerExpired,
			detail: fmt.Sprintf("the router took nothing for %s", m.sendHold()),
			say:    &Notification{Code: errorSendHold},
		}, now)
	default:
		if due(m.timers.keepalive, now) {
			m.timers.keepalive = now.Add(m.agreed.keepalive)
			m.do.send = append(m.do.send, Keepalive{})
		}
		if due(m.timers.steady, now) {
			m.timers.steady = time.Time{}
			m.settle()
		}
	}
}

// expired reports whether the router has missed a deadline. If we are late
// ourselves, because the process was paused, there may be messages that we have
// not had a chance to read: the router gets a little more time, once.
func (m *machine) expired(deadline *time.Time, now time.Time) bool {
	if !due(*deadline, now) {
		return false
	}
	if now.Sub(*deadline) > late && (m.excused.IsZero() || m.excused.Equal(now)) {
		m.excused = now
		*deadline = now.Add(excuse)
		return false
	}
	return true
}

func due(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// connected begins the exchange of OPENs.
func (m *machine) connected(path Path, now time.Time) {
	m.path = path
	m.ours = m.session.open(m.me, path)
	m.report.Local, m.report.RouterID = path.Local, m.ours.RouterID
	m.timers.open = now.Add(openLimit)
	m.do.send = append(m.do.send, m.ours)
	m.enter(OpenSent, now)
}

// refused ends an attempt to connect.
func (m *machine) refused(err error, now time.Time) {
	m.end(m.session.dialing(err), now)
}

// received takes a message from the router. Each one proves that it is alive,
// not only KEEPALIVE and UPDATE.
func (m *machine) received(message Message, now time.Time) {
	m.excused = time.Time{}
	if !m.timers.hold.IsZero() {
		m.timers.hold = now.Add(m.agreed.hold)
	}
	c, state := &m.report.Counters, m.report.State
	c.TotalReceived++
	switch message := message.(type) {
	case Notification:
		c.NotificationsReceived++
		m.report.LastReceived = &message
		m.end(notified(message), now)
		return
	case Open:
		c.OpensReceived++
		if state == OpenSent {
			m.opened(message, now)
			return
		}
	case Keepalive:
		c.KeepalivesReceived++
		if state == OpenConfirm {
			m.establish(now)
			return
		}
		if state == Established {
			return
		}
	case Heard:
		c.UpdatesReceived++
		if state == Established {
			return
		}
	case RouteRefresh:
		c.RefreshesReceived++
		if state == Established {
			m.do.refresh.IPv4 = m.do.refresh.IPv4 || !message.IPv6
			m.do.refresh.IPv6 = m.do.refresh.IPv6 || message.IPv6
			return
		}
	}
	m.unexpected(now)
}

// unexpected ends a session whose router sends what its state does not allow.
func (m *machine) unexpected(now time.Time) {
	n := &Notification{Code: ErrorState, Subcode: uint8(m.report.State-OpenSent) + 1} // RFC 6608
	m.end(ending{cause: MalformedMessage, detail: fmt.Sprintf("the router broke the protocol: %s", n), say: n}, now)
}

// opened judges the router's OPEN.
func (m *machine) opened(theirs Open, now time.Time) {
	agreed, problem := m.session.agree(m.ours, theirs)
	if problem != nil {
		m.end(*problem, now)
		return
	}
	m.theirs, m.agreed = theirs, agreed
	if agreed.hold > 0 {
		m.timers.keepalive = now.Add(agreed.keepalive)
	}
	m.do.send = append(m.do.send, Keepalive{})
	m.enter(OpenConfirm, now)
}

func (m *machine) establish(now time.Time) {
	m.timers.open = time.Time{}
	if m.agreed.hold > 0 {
		m.timers.hold = now.Add(m.agreed.hold)
	}
	m.me.known = true

	r := &m.report
	r.Counters.Established++
	r.Remote, r.Families = m.theirs, m.agreed.families
	r.HoldTime, r.Keepalive = m.agreed.hold, m.agreed.keepalive
	m.enter(Established, now)
	m.do.established = true
	if m.flapping {
		m.timers.steady = now.Add(steady)
		m.do.log = append(m.do.log, entry{quiet: true})
		return
	}
	m.settle()
}

// settle says that a session is up. One that comes and goes is worth a word only
// when it stays.
func (m *machine) settle() {
	m.flapping, m.told = false, NoCause
	m.do.log = append(m.do.log, entry{})
}

// sending notes that a message is on its way to the router.
func (m *machine) sending(now time.Time) { m.timers.send = now.Add(m.sendHold()) }

// sendHold is how long a router may take nothing. RFC 9687, section 6 suggests
// at least eight minutes; as long as packets go to a node that is stuck like
// this, twice the hold time is long enough.
func (m *machine) sendHold() time.Duration {
	switch {
	case m.report.State < Established:
		return openLimit
	case m.agreed.hold == 0:
		return sendHoldWithoutHold
	}
	return 2 * m.agreed.hold
}

// sent notes that a message has gone out, as how many.
func (m *machine) sent(message Message, n int, now time.Time) {
	m.timers.send = time.Time{}
	if !m.timers.keepalive.IsZero() {
		m.timers.keepalive = now.Add(m.agreed.keepalive)
	}
	c := &m.report.Counters
	c.TotalSent += uint64(n)
	switch message := message.(type) {
	case Open:
		c.OpensSent++
	case Update, EndOfRIB:
		c.UpdatesSent += uint64(n)
	case Keepalive:
		c.KeepalivesSent++
	case Notification:
		c.NotificationsSent++
		m.report.LastSent = &message
	}
}

// mute notes that nothing can be sent any more. The router may have said why, so
// what it has said is read before the session is given up.
func (m *machine) mute(err error, now time.Time) {
	m.sendFail = err
	m.timers.send = time.Time{}
	m.timers.lastWords = now.Add(lastWords)
}

// broken ends a session from which nothing can be received any more.
func (m *machine) broken(err error, now time.Time) {
	m.end(breaking(m.report.State, err), now)
}

// end gives up the session, or the attempt at one, and says when to try again:
// at once if a session is lost that was steady, otherwise so that attempts are
// about ConnectRetry apart, with the jitter of RFC 4271, section 10.
func (m *machine) end(e ending, now time.Time) {
	was, lasted := m.report.State, now.Sub(m.report.Since)
	retry := m.session.connectRetry()
	retry -= time.Duration(m.dice() * float64(retry) / 4)
	m.timers = timers{connect: m.began.Add(retry)}
	if was == Established {
		m.report.Counters.Lost++
		m.flapping = lasted < steady
		m.timers.connect = now
		if m.flapping {
			m.timers.connect = now.Add(retry)
		}
	}

	r := &m.report
	r.LastCause, r.LastError, r.LastErrorAt = e.cause, e.detail, now
	r.Remote, r.Families, r.HoldTime, r.Keepalive = Open{}, Families{}, 0, 0
	m.theirs, m.agreed = Open{}, agreement{}
	m.excused, m.sendFail = time.Time{}, nil
	m.enter(Idle, now)

	m.do.hangUp, m.do.dial, m.do.established, m.do.send = &e, false, false, nil
	m.do.log = append(m.do.log, entry{ending: &e, lost: was == Established, quiet: m.told == e.cause})
	m.told = e.cause
}

func (m *machine) enter(s State, now time.Time) {
	m.report.State, m.report.Since = s, now
}

// graceful reports whether the router keeps our routes when the connection ends
// without a NOTIFICATION (RFC 4724, section 4.2).
func (m *machine) graceful() bool {
	return m.report.State == Established && m.session.GracefulRestart && m.theirs.GracefulRestart != nil
}
