package interop

import (
	"context"
	"encoding/gob"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/clarion-lb/clarion/bgp"
	"github.com/clarion-lb/clarion/bgp/bfd"
	"github.com/clarion-lb/clarion/bgp/bfd/socket"
	"github.com/clarion-lb/clarion/bgp/gobgp"
)

// insideVariable marks a process as a speaker's.
const insideVariable = "CLARION_INTEROP_SPEAKER"

// Inside reports whether this process is to be a speaker, and must call Serve instead of whatever else it does.
func Inside() bool { return os.Getenv(insideVariable) != "" }

// errLeave ends the engines for good.
var errLeave = errors.New("interop: told to leave")

// Serve is a speaker's process: it takes orders from standard input, answers on standard output and logs to standard error, until it is
// told to leave or its caller is gone.
func Serve() error {
	in, out := gob.NewDecoder(os.Stdin), gob.NewEncoder(os.Stdout)
	var setup Setup
	if err := in.Decode(&setup); err != nil {
		return err
	}
	e, err := newEngines(setup)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	// Routers close a session whose BFD goes, even if it says that this is on purpose, so BFD goes last.
	watching, unwatch := context.WithCancelCause(context.Background())
	var group sync.WaitGroup
	failed := make([]error, 3)
	group.Go(func() {
		failed[0] = e.bgp.Run(ctx)
		unwatch(context.Cause(ctx))
	})
	group.Go(func() { failed[1] = e.bfd.Run(watching) })
	group.Go(func() { e.tell(watching) })
	failed[2] = e.obey(in, out, cancel)
	group.Wait()
	return errors.Join(failed...)
}

// engines are what the product's speaker has.
type engines struct {
	bgp *bgp.Engine
	bfd *bfd.Engine
}

func newEngines(setup Setup) (*engines, error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	routes, err := bgp.New(bgp.Options{
		Wire: gobgp.Network{}, Node: setup.Node, Restarted: setup.Restarted, DrainTime: setup.DrainTime, Log: log,
	})
	if err != nil {
		return nil, err
	}
	paths, err := bfd.New(bfd.Options{Wire: &socket.Sockets{}, Log: log})
	if err != nil {
		return nil, err
	}
	return &engines{bgp: routes, bfd: paths}, nil
}

// tell ends the BGP session of each path that fails, as the product's speaker does.
func (e *engines) tell(ctx context.Context) {
	known := map[string]uint64{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.bfd.Changed():
		}
		for _, session := range e.bfd.Status().Sessions {
			if session.Failures != known[session.Name] {
				known[session.Name] = session.Failures
				e.bgp.PathDown(session.Name)
			}
		}
	}
}

func (e *engines) obey(in *gob.Decoder, out *gob.Encoder, leave context.CancelCauseFunc) error {
	defer leave(errLeave)
	for {
		var r request
		if err := in.Decode(&r); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		switch {
		case r.Set != nil:
			e.set(*r.Set)
		case r.Status:
			if err := out.Encode(Report{BGP: e.bgp.Status(), BFD: e.bfd.Status()}); err != nil {
				return err
			}
		case r.Restart:
			leave(bgp.ErrRestart)
			return nil
		case r.Leave:
			return nil
		}
	}
}

func (e *engines) set(o Order) {
	config := bgp.Config{Draining: o.Draining}
	for _, p := range o.Peers {
		config.Peers = append(config.Peers, bgp.Peer{Name: p.Name, Session: p.Session, Routes: bgp.Routes{}.Edit(p.Routes, nil)})
	}
	e.bgp.Set(config)
	e.bfd.Set(bfd.Config{Sessions: o.Paths})
}
