package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/clarion-lb/clarion/e2e/frames"
	"github.com/clarion-lb/clarion/e2e/lab"
)

// span is when a step was.
type span struct{ from, to time.Time }

// round goes once through an exercise with a node, and returns for each step what became of each address of the node's Service, IPv4 first,
// and how many addresses of other nodes changed hands all the while.
func (s *stage) round(ctx context.Context, e exercise, name string) (samples [][]sample, takeovers int, err error) {
	o, err := s.observe(ctx, s.targets[name])
	if err != nil {
		return nil, 0, err
	}
	spans, err := s.play(ctx, o, e, s.lab.Node(name))
	records, attempts, failed := o.end()
	if err := errors.Join(err, failed); err != nil {
		return nil, 0, fmt.Errorf("%s of %s: %w", e.name, name, err)
	}
	for i, when := range spans {
		of := make([]sample, len(o.addrs))
		for k, addr := range o.addrs {
			seen := evidence{
				addr: addr, node: name, returns: e.steps[i].returns, from: when.from, to: when.to,
				asker: s.lab.Router().Name(), records: records, attempts: attempts[k],
			}
			of[k] = seen.sample()
		}
		samples = append(samples, of)
	}
	return samples, len(stolen(since(records, spans[0].from), s.owners, name)), nil
}

// play does the steps of an exercise one after another.
func (s *stage) play(ctx context.Context, o *observation, e exercise, node *lab.Node) ([]span, error) {
	if err := o.wait(ctx, "all addresses are where they belong", o.settled()); err != nil {
		return nil, err
	}
	var spans []span
	for i, step := range e.steps {
		from := time.Now()
		over, err := step.begin(ctx, o, node)
		if err == nil {
			err = o.wait(ctx, fmt.Sprintf("step %d is over", i+1), over)
		}
		if err != nil {
			return nil, err
		}
		time.Sleep(promptness) // for probes that wait for their answers
		spans = append(spans, span{from, time.Now()})
	}
	return spans, nil
}

// since returns the records that are not older than that.
func since(records []frames.Record, from time.Time) []frames.Record {
	for i := range records {
		if !records[i].At.Before(from) {
			return records[i:]
		}
	}
	return nil
}
