package bgp

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Whatever happens, once nothing happens any more each router has exactly the
// routes it shall have, and Status says so.
func FuzzConverge(f *testing.F) {
	f.Add([]byte("a word is as good as a storm"))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	f.Add([]byte{15, 31, 47, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 0, 16, 15})
	f.Add([]byte{0, 16, 32, 48, 12, 0, 16, 64, 80, 13, 3, 15, 3, 31, 8, 24})
	f.Add([]byte{5, 0, 16, 32, 15, 255, 239, 5, 15, 15, 12, 6, 22, 15, 13})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 64 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			s := newStorm(t)
			for _, b := range script {
				s.happens(b)
			}
			s.calm()
			s.check(t)
			s.lab.end(errors.New("over"))
		})
	})
}

// storm is two routers to which anything may happen.
type storm struct {
	lab     *lab
	routers []*router
	config  Config
}

func newStorm(t *testing.T) *storm {
	t.Helper()
	s := &storm{lab: newLab(t, nil)}
	for i := range 2 {
		addr := fmt.Sprintf("192.0.2.%d", i+1)
		s.routers = append(s.routers, s.lab.router(addr).configure(func(r *router) {
			r.open.HoldTime = 9 * time.Second
			r.open.GracefulRestart = &GracefulRestart{}
		}))
		s.config.Peers = append(s.config.Peers, peer(addr, addr))
	}
	return s
}

// happens does what the lower four bits say to whom and with what the upper four
// say.
func (s *storm) happens(b byte) {
	what, which := b&0x0F, int(b>>4)
	r, p := s.routers[which%2], &s.config.Peers[which%2]
	prefixes := hosts(8, &Attributes{Communities: []Community{Community(which)}})
	switch what {
	case 0, 1:
		p.Routes = p.Routes.Edit(prefixes[which/2:], nil)
	case 2:
		p.Routes = p.Routes.Edit([]Route{route(fmt.Sprintf("2001:db8::%d/128", which), nil)}, nil)
	case 3:
		p.Routes = p.Routes.Edit(nil, []netip.Prefix{prefixes[which/2].Prefix})
	case 4:
		r.says(nil, io.EOF)
	case 5:
		r.configure(func(r *router) { r.deaf = !r.deaf })
	case 6:
		r.configure(func(r *router) { r.away = !r.away })
	case 7:
		r.says(RouteRefresh{IPv6: which > 7}, nil)
	case 8:
		s.lab.engine.PathDown(p.Name)
	case 9:
		p.Session.Password += "x"
	case 10:
		p.Session.GracefulRestart = !p.Session.GracefulRestart
	case 11:
		r.says(Notification{Code: ErrorCease, Subcode: uint8(which)}, nil)
	case 12:
		s.config.Draining = !s.config.Draining
	case 13:
		r.configure(func(r *router) { r.refuse = syscall.ECONNREFUSED })
	case 14:
		r.configure(func(r *router) { r.refuse = nil })
	case 15:
		time.Sleep(time.Duration(which*which) * 100 * time.Millisecond)
	}
	if which%3 > 0 { // some things happen before the engine has noticed others
		s.set()
	}
}

// set gives the engine a copy of what is wanted.
func (s *storm) set() {
	s.lab.engine.Set(Config{Peers: append([]Peer(nil), s.config.Peers...), Draining: s.config.Draining})
}

// calm ends the storm.
func (s *storm) calm() {
	s.config.Draining = false
	s.set()
	for _, r := range s.routers {
		r.configure(func(r *router) { r.deaf, r.away, r.refuse = false, false, nil })
	}
	time.Sleep(time.Minute)
}

func (s *storm) check(t *testing.T) {
	t.Helper()
	for i, p := range s.config.Peers {
		if got := s.routers[i].has(); !got.Equal(p.Routes) {
			t.Errorf("%s has (-want +got):\n%s", p.Name, cmp.Diff(sorted(p.Routes), sorted(got), values))
		}
		status := s.lab.status(p.Name)
		if status.State != Established || status.Advertised != p.Routes.Len() || status.Desired != p.Routes.Len() {
			t.Errorf("%s: %d of %d routes advertised, state %d: %s", p.Name, status.Advertised, p.Routes.Len(), status.State, status.LastError)
		}
	}
}
