package bgp

import (
	"context"
	"sync"
	"time"
)

// call is an attempt to connect.
type call struct {
	cancel context.CancelFunc
	answer chan answer
}

type answer struct {
	conn Conn
	err  error
}

// dial begins an attempt that ends after some time. The answer must be received.
func dial(ctx context.Context, w Wire, t Target, limit time.Duration) *call {
	ctx, cancel := context.WithTimeout(ctx, limit)
	c := &call{cancel: cancel, answer: make(chan answer)}
	go func() {
		defer cancel()
		conn, err := w.Dial(ctx, t)
		c.answer <- answer{conn, err}
	}()
	return c
}

// give up the attempt.
func (c *call) giveUp() {
	c.cancel()
	if a := <-c.answer; a.err == nil {
		_ = a.conn.Close()
	}
}

// line is a connection with the two goroutines that wait for it: one receives,
// one sends. So the session never waits, and its timers hold while a router
// takes nothing.
type line struct {
	conn  Conn
	heard chan heard
	post  chan Message
	done  chan sent
	busy  bool // a message is with the sender

	closed chan struct{}
	both   sync.WaitGroup
}

type heard struct {
	message Message
	err     error // the last one
}

type sent struct {
	message Message
	count   int
	err     error
}

func newLine(conn Conn) *line {
	l := &line{
		conn:   conn,
		heard:  make(chan heard),
		post:   make(chan Message),
		done:   make(chan sent),
		closed: make(chan struct{}),
	}
	l.both.Go(l.receive)
	l.both.Go(l.send)
	return l
}

func (l *line) receive() {
	for {
		message, err := l.conn.Receive()
		select {
		case l.heard <- heard{message, err}:
		case <-l.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

func (l *line) send() {
	for message := range l.post {
		n, err := l.conn.Send(message)
		select {
		case l.done <- sent{message, n, err}:
		case <-l.closed:
			return
		}
	}
}

// say hands over a message; the answer comes from done. The line must not be
// busy.
func (l *line) say(m Message) {
	l.busy = true
	l.post <- m
}

// sayLast sends a last message, after the one in progress, if both go within the
// limit.
func (l *line) sayLast(m Message, limit time.Duration) (count int, err error) {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	for range 2 {
		if !l.busy {
			l.say(m)
		}
		select {
		case s := <-l.done:
			l.busy = false
			if s.err != nil {
				return 0, s.err
			}
			if _, last := s.message.(Notification); last {
				return s.count, nil
			}
		case <-timeout.C:
			return 0, context.DeadlineExceeded
		}
	}
	return 0, nil
}

// awaitEnd waits until the router has ended the connection, or for some time.
func (l *line) awaitEnd(limit time.Duration) {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	for {
		select {
		case h := <-l.heard:
			if h.err != nil {
				return
			}
		case <-timeout.C:
			return
		}
	}
}

// close ends the connection and joins its goroutines.
func (l *line) close() {
	close(l.closed)
	close(l.post)
	_ = l.conn.Close()
	l.both.Wait()
}
