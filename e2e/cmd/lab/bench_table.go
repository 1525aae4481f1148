package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// rows are the rows of the table that an exercise fills: one for each step and family.
type rows struct {
	steps []step
	all   [][]row // by step, by family
}

// row is what was measured in all rounds.
type row struct {
	outage, lost, claim, overlap, unanswered distribution
	twice, stolen                            int
}

func newRows(e exercise) *rows {
	return &rows{steps: e.steps, all: make([][]row, len(e.steps))}
}

// add adds a round.
func (r *rows) add(samples [][]sample, takeovers int) {
	for i, families := range samples {
		if r.all[i] == nil {
			r.all[i] = make([]row, len(families))
		}
		for k := range families {
			r.all[i][k].add(&families[k], takeovers)
		}
	}
}

func (r *row) add(s *sample, takeovers int) {
	r.outage.add(s.outage)
	r.lost = append(r.lost, s.lost)
	if s.by != "" {
		r.claim.add(s.claim)
	}
	r.overlap.add(s.overlap)
	r.unanswered.add(s.unanswered)
	r.twice = max(r.twice, s.twice)
	r.stolen += takeovers
}

// table prints rows as they become known, and progress elsewhere.
type table struct {
	out      io.Writer
	title    string
	headed   bool
	terminal bool // standard error is one
	shown    time.Time
}

func newTable(out io.Writer, title string) *table {
	return &table{out: out, title: title, terminal: term.IsTerminal(int(os.Stderr.Fd()))}
}

func (t *table) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(t.out, format, args...)
	return err
}

// rows prints the rows of an exercise, after the head of the table if they are its first.
func (t *table) rows(r *rows) error {
	const line = "%-15s  %-4s  %6v  %s  %s  %s  %s  %5v  %s  %6v\n"
	t.clear()
	if !t.headed {
		t.headed = true
		head := func(what string) string { return fmt.Sprintf("%*s", len(distributionHead), what) }
		if err := t.printf("\n%s\n"+line, t.title, "", "", "", head("OUTAGE"), head("LOST"), head("CLAIM"), head("OVERLAP"), "TWICE", head("UNANSWERED"), ""); err != nil {
			return err
		}
		const d = distributionHead
		if err := t.printf(line, "FAILURE", "IP", "ROUNDS", d, d, d, d, "max", d, "STOLEN"); err != nil {
			return err
		}
	}
	for i, families := range r.all {
		for k := range families {
			if r.steps[i].row == "" {
				continue
			}
			f := &families[k]
			if err := t.printf(line, r.steps[i].row, [...]string{"IPv4", "IPv6"}[k], len(f.outage), f.outage, f.lost, f.claim, f.overlap,
				f.twice, f.unanswered, f.stolen); err != nil {
				return err
			}
		}
	}
	return nil
}

// progress shows what is going on: on a terminal in one line that the next takes over, elsewhere in a line now and then.
func (t *table) progress(format string, args ...any) {
	if t.terminal {
		t.say("\r\x1b[K"+format, args...)
		return
	}
	if time.Since(t.shown) >= 30*time.Second {
		t.shown = time.Now()
		t.say(format+"\n", args...)
	}
}

// note shows a line that stays.
func (t *table) note(format string, args ...any) {
	t.clear()
	t.say(format+"\n", args...)
}

// clear takes the progress away from a terminal.
func (t *table) clear() {
	if t.terminal {
		t.say("\r\x1b[K")
	}
}

// say writes to standard error; a terminal that has gone away is no reason to stop.
func (t *table) say(format string, args ...any) { _, _ = fmt.Fprintf(os.Stderr, format, args...) }
