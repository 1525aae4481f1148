package layer2

import (
	"slices"
	"sync/atomic"
)

// responder turns the frames heard by one port into answers. It belongs to the
// goroutine that reads the port, and reuses one buffer for all answers.
type responder struct {
	link     Interface
	protocol Protocol
	table    *atomic.Pointer[table]
	stations *atomic.Pointer[stations]
	fit      func() bool
	contests chan<- contest
	frame    []byte
}

// respond returns the frame that answers the one given, valid until the next
// call, and the record of the address it is about. On silence both are nil.
func (r *responder) respond(frame []byte) ([]byte, *record, silence) {
	q, said, why := r.read(frame)
	if why != "" {
		return nil, nil, why
	}
	t := *r.table.Load()
	r.hear(t, said)
	if q.Asker.MAC == (MAC{}) {
		return nil, nil, notQuestion
	}
	c, why := answer(t, &r.link, q)
	if why != "" {
		return nil, nil, why
	}
	c.record.requests.Add(1)
	// As late as possible: the process may have been stopped since it was woken.
	if !r.fit() {
		return nil, nil, unfit
	}
	if r.protocol == ARP {
		r.frame = arpAnswer(c).append(r.frame[:0])
	} else {
		r.frame = ndpAnswer(c).append(r.frame[:0])
	}
	return r.frame, c.record, ""
}

// read parses a frame of the responder's protocol: what it asks, an asker
// without MAC if nothing, and what it says about who has which address.
func (r *responder) read(frame []byte) (q question, said station, why silence) {
	var parsed, asks bool
	if r.protocol == ARP {
		var p arpPacket
		p, parsed = parseARP(frame)
		q, asks = p.question()
		said = p.says()
	} else {
		var p ndpPacket
		p, parsed = parseNDP(frame)
		q, asks = p.question()
		said = p.says()
	}
	switch {
	case !parsed:
		return question{}, station{}, malformed
	case !asks:
		return question{}, said, ""
	case q.Asker.MAC == (MAC{}):
		return question{}, said, badAsker
	}
	return q, said, ""
}

// stations are whose hardware addresses are known.
type stations struct {
	own      []MAC // of all our links
	speakers []MAC // of the other speakers, sorted
}

// hear looks whether a frame is somebody else's word about an address of ours.
func (r *responder) hear(t table, said station) {
	o := t[said.IP]
	if o == nil {
		return
	}
	known := r.stations.Load()
	if slices.Contains(known.own, said.MAC) {
		return // another link of ours on the same segment
	}
	who := o.claimant(said.MAC, known.speakers)
	was, now := o.contested(who)
	r.tell(contest{addr: said.IP, mac: said.MAC, who: who, link: r.link.Name, was: was, now: now})
}

// tell hands a contest to the loop, or drops it in a storm of them: what matters
// at once has been done.
func (r *responder) tell(c contest) {
	select {
	case r.contests <- c:
	default:
	}
}

// serve answers what it hears on conn until conn fails, and returns why.
func (r *responder) serve(conn Conn) error {
	frame := make([]byte, frameMax)
	for {
		n, err := conn.Read(frame)
		if err != nil {
			return err
		}
		answer, record, why := r.respond(frame[:n])
		if why != "" {
			continue
		}
		if _, err := conn.Write(answer); err == nil {
			record.responses.Add(1)
		}
	}
}
