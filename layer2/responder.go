package layer2

import "sync/atomic"

// responder turns the frames heard by one port into answers. It belongs to the
// goroutine that reads the port, and reuses one buffer for all answers.
type responder struct {
	link     Interface
	protocol Protocol
	table    *atomic.Pointer[table]
	frame    []byte
}

// respond returns the frame that answers the one given, valid until the next
// call, and the counters of the address it is about. On silence both are nil.
func (r *responder) respond(frame []byte) ([]byte, *counters, silence) {
	q, why := r.question(frame)
	if why != "" {
		return nil, nil, why
	}
	c, why := answer(*r.table.Load(), &r.link, q)
	if why != "" {
		return nil, nil, why
	}
	c.count.requests.Add(1)
	if r.protocol == ARP {
		r.frame = arpAnswer(c).append(r.frame[:0])
	} else {
		r.frame = ndpAnswer(c).append(r.frame[:0])
	}
	return r.frame, c.count, ""
}

// question parses a frame of the responder's protocol.
func (r *responder) question(frame []byte) (question, silence) {
	var q question
	var parsed, asks bool
	if r.protocol == ARP {
		var p arpPacket
		p, parsed = parseARP(frame)
		q, asks = p.question()
	} else {
		var p ndpPacket
		p, parsed = parseNDP(frame)
		q, asks = p.question()
	}
	switch {
	case !parsed:
		return question{}, malformed
	case !asks:
		return question{}, notQuestion
	}
	return q, ""
}

// serve answers what it hears on conn until conn fails, and returns why.
func (r *responder) serve(conn Conn) error {
	frame := make([]byte, frameMax)
	for {
		n, err := conn.Read(frame)
		if err != nil {
			return err
		}
		answer, count, why := r.respond(frame[:n])
		if why != "" {
			continue
		}
		if _, err := conn.Write(answer); err == nil {
			count.responses.Add(1)
		}
	}
}
