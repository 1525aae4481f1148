package pitfalls

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/speaker/announce"
)

const (
	// settle gathers what changes together, as when a Service comes and kube-proxy
	// takes its address in.
	settle = time.Second
	// every is how often the kernel's settings are read again: it tells nobody of
	// their changes.
	every = time.Minute
)

// Options are what a Finder needs, all of it.
type Options struct {
	// ARPIgnore returns net.ipv4.conf.arp_ignore as it holds on an interface.
	ARPIgnore func(name string) (int, error)
	// Found is told what is found, the same again too. It must not block.
	Found func([]config.Problem)
}

// Finder keeps looking. Its methods may be called from any goroutine, and do not
// block.
type Finder struct {
	options Options
	wake    chan struct{}

	mu        sync.Mutex
	local     announce.Local
	announced map[announce.Key]struct{}
}

// New returns a finder that looks once it runs.
func New(o Options) *Finder {
	return &Finder{options: o, wake: make(chan struct{}, 1), announced: map[announce.Key]struct{}{}}
}

// SetLocal replaces the facts of this node's interfaces.
func (f *Finder) SetLocal(local announce.Local) {
	f.mu.Lock()
	f.local = local
	f.mu.Unlock()
	f.rouse()
}

// Report takes note of what is announced, by whatever node.
func (f *Finder) Report(r announce.Revision) {
	news := false
	f.mu.Lock()
	for i := range r.Gone {
		_, was := f.announced[r.Gone[i].Key]
		delete(f.announced, r.Gone[i].Key)
		news = news || was
	}
	for i := range r.Changed {
		v := &r.Changed[i].Verdict
		_, was := f.announced[v.Key]
		is := v.Protocol == announce.Layer2 && v.Owner != ""
		if is {
			f.announced[v.Key] = struct{}{}
		} else {
			delete(f.announced, v.Key)
		}
		news = news || is != was
	}
	f.mu.Unlock()
	if news {
		f.rouse()
	}
}

func (f *Finder) rouse() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run looks until ctx ends, and then returns nil.
func (f *Finder) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.wake:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(settle):
			}
		case <-time.After(every):
		}
		f.options.Found(Find(f.facts()))
	}
}

// facts reads the settings that matter.
func (f *Finder) facts() Facts {
	f.mu.Lock()
	local, addrs := f.local, make(map[netip.Addr]struct{}, len(f.announced))
	for k := range f.announced {
		addrs[k.Addr] = struct{}{}
	}
	f.mu.Unlock()

	ignore := map[string]int{}
	for _, l := range announce.Usable(local) {
		if n, err := f.options.ARPIgnore(l.Name); err == nil { // else the interface has just gone
			ignore[l.Name] = n
		}
	}
	return Facts{Local: local, ARPIgnore: ignore, Announced: func(a netip.Addr) bool { _, ok := addrs[a]; return ok }}
}
