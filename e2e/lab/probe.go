package lab

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/clarion-lb/clarion/e2e/network"
)

// Attempt is one question that a Probe asked.
type Attempt struct {
	At time.Time // when it was asked
	OK bool      // whether it was answered in time
}

// Probe asks a question again and again, whether or not earlier ones have been answered, and remembers how each ended.
type Probe struct {
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu       sync.Mutex
	attempts []Attempt
}

// StartProbe asks every period, until Stop or the end of ctx. An answer that takes longer than timeout, or an error, is none.
func StartProbe(ctx context.Context, period, timeout time.Duration, ask func(context.Context) error) *Probe {
	asking, cancel := context.WithCancel(ctx)
	p := &Probe{cancel: cancel}
	p.group.Go(func() {
		tick := time.NewTicker(period)
		defer tick.Stop()
		for {
			p.group.Go(func() { p.attempt(ctx, timeout, ask) }) // not asking: Stop lets it finish
			select {
			case <-tick.C:
			case <-asking.Done():
				return
			}
		}
	})
	return p
}

func (p *Probe) attempt(ctx context.Context, timeout time.Duration, ask func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	at := time.Now()
	err := ask(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attempts = append(p.attempts, Attempt{At: at, OK: err == nil})
}

// Stop stops asking, waits for what has been asked, and returns every attempt, oldest first.
func (p *Probe) Stop() []Attempt {
	p.cancel()
	p.group.Wait()
	slices.SortFunc(p.attempts, func(a, b Attempt) int { return a.At.Compare(b.At) })
	return p.attempts
}

// Attempts returns those that have ended so far, in no particular order.
func (p *Probe) Attempts() []Attempt {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.attempts)
}

// Outage is a time without answers.
type Outage struct {
	From   time.Time // the last attempt before it that was answered, or the first of all
	To     time.Time // the first attempt after it that was answered, or the last of all
	Missed int       // attempts that were not answered
}

// Duration is how long the outage may have been at most.
func (o Outage) Duration() time.Duration { return o.To.Sub(o.From) }

// Outages returns the times without answers, in order.
func Outages(attempts []Attempt) []Outage {
	var outages []Outage
	var current *Outage
	for i, attempt := range attempts {
		switch {
		case !attempt.OK && current == nil:
			current = &Outage{From: attempts[max(0, i-1)].At, To: attempt.At, Missed: 1}
		case !attempt.OK:
			current.To = attempt.At
			current.Missed++
		case current != nil:
			current.To = attempt.At
			outages = append(outages, *current)
			current = nil
		}
	}
	if current != nil {
		outages = append(outages, *current)
	}
	return outages
}

// Echo returns a question for a Probe: a datagram from a new port of the host, so that nothing on its way knows it. Any answer counts.
func Echo(from *network.Host, to netip.AddrPort) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := from.DialContext(ctx, "udp", to.String())
		if err != nil {
			return err
		}
		defer conn.Close() //nolint:errcheck // what matters is whether it was answered
		if deadline, ok := ctx.Deadline(); ok {
			if err := conn.SetDeadline(deadline); err != nil {
				return err
			}
		}
		if _, err := conn.Write([]byte("?")); err != nil {
			return err
		}
		_, err = conn.Read(make([]byte, 512))
		return err
	}
}

// Fetch returns a question for a Probe: an HTTP request for the URL from a client such as Host.HTTPClient makes. Any answer counts.
func Fetch(client *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
}
