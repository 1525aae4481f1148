package bfd

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// listenRetry is how long after a failure a port is tried again: a daemon that
// holds it does not give it up soon.
const listenRetry = 5 * time.Second

// queueLimit is more packets than the queue of one Listener holds. Whoever has
// received so many at a stretch has received all that were waiting before.
const queueLimit = 4096

// listener is a Listener and the goroutine that waits for it. It does not
// receive by itself: only the loop does, which then knows what is left to read.
type listener struct {
	conn Listener
	echo *session // whose echo packets it hears; nil for control packets
	port Port     // if not for echo

	drained  chan struct{} // the loop has received what there was
	unwanted chan struct{} // closed when nobody cares any more
	done     chan struct{} // closed at the goroutine's end
}

// arrival says that there may be something to receive, or, with an error, that
// there never will be again.
type arrival struct {
	listener *listener
	err      error
}

// listen starts to wait for conn.
func (l *loop) listen(ln listener) *listener {
	ln.drained = make(chan struct{}, 1)
	ln.unwanted, ln.done = make(chan struct{}), make(chan struct{})
	go ln.wait(l.arrivals)
	return &ln
}

func (ln *listener) wait(arrivals chan<- arrival) {
	defer close(ln.done)
	for {
		err := ln.conn.Wait()
		select {
		case arrivals <- arrival{listener: ln, err: err}:
		case <-ln.unwanted:
			return
		}
		if err != nil {
			return
		}
		select {
		case <-ln.drained:
		case <-ln.unwanted:
			return
		}
	}
}

// close returns after the goroutine's end.
func (ln *listener) close() {
	close(ln.unwanted)
	_ = ln.conn.Close() // a socket that cannot be closed is one that is gone
	<-ln.done
}

// ear is a port that sessions need: open, or to be opened again.
type ear struct {
	listener *listener // nil while it is not open
	err      error     // why not
	retryAt  time.Time
}

// open opens the ear at port, or says when to try again.
func (l *loop) open(port Port, e *ear, now time.Time) {
	conn, err := l.engine.wire.Listen(port)
	if err != nil {
		e.retryAt = now.Add(listenRetry)
		l.complain(&e.err, listenError(port, err))
		return
	}
	e.listener, e.err = l.listen(listener{conn: conn, port: port}), nil
}

func listenError(port Port, err error) error {
	at := fmt.Sprintf("UDP port %d", port.Number())
	if port.Device != "" {
		at += " on " + port.Device
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("bfd: failed to listen on %s: %w: another BFD daemon runs on this host", at, err)
	}
	return fmt.Errorf("bfd: failed to listen on %s: %w", at, err)
}

// reopen closes the ear at port, for mend to open anew.
func (l *loop) reopen(port Port) {
	if e := l.ears[port]; e.listener != nil {
		e.listener.close()
		*e = ear{}
	}
}

// lose gives up a listener that has failed.
func (l *loop) lose(ln *listener, err error, now time.Time) {
	if s := ln.echo; s != nil {
		l.closeEcho(s)
		s.line.echoRetry = now.Add(listenRetry)
		l.complain(&s.line.echoErr, fmt.Errorf("bfd: failed to hear echo packets from %v: %w", s.config.Peer, err))
		return
	}
	ln.close()
	e := l.ears[ln.port]
	e.listener, e.retryAt = nil, now.Add(listenRetry)
	l.complain(&e.err, listenError(ln.port, err))
}
