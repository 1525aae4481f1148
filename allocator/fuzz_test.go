package allocator

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/clarion-lb/clarion/config"
)

// seeds are scripts that once mattered: every kind of step, sharing, pools
// that change under holders, restarts and lost writes.
func seeds(f *testing.F) {
	f.Helper()

	for _, s := range []string{
		"\x04\x00\x00\x04\x01\x00\x04\x02\x00\x04\x03\x00\x04\x04\x00\x04\x05\x00\x0e\x00\x00",                         // six Services
		"\x00\x00\x08\x00\x01\x08\x00\x01\x09\x04\x00\x00\x04\x01\x00\x00\x01\x01\x04\x01\x00\x0c\x01\x00\x0e\x00\x00", // two share, then clash
		"\x0e\x00\x00\x04\x00\x00\x0a\x04\x00\x0e\x00\x00\x0a\x08\x00\x0e\x00\x00\x0a\xff\x00\x0e\x00\x00",             // pools change
		"\x00\x00\x13\x04\x00\x00\x0a\x02\x00\x04\x00\x00\x09\x00\x00\x0c\x02\x00\x04\x00\x00",                         // dual-stack
		"\x0d\x00\x05\x0d\x01\x05\x0d\x02\x19\x0c\x00\x00\x0e\x00\x00\x0b\x00\x00\x0e\x00\x00",                         // claims that clash
		"\x04\x00\x00\x0f\x00\x00\x04\x00\x00\x04\x01\x00\x0f\x00\x00\x04\x02\x00\x00\x01\x15\x0f\x00\x00\x0e\x00\x00", // strangers
		"\x00\x03\x14\x04\x03\x00\x00\x03\x15\x04\x03\x00\x00\x03\x1d\x04\x03\x00\x00\x03\x07\x04\x03\x00",             // requests
	} {
		f.Add([]byte(s))
	}
}

// FuzzNoDoubleHolder defends P1: no address is ever with two Services that may
// not share it, in the ledger or in their status, whatever happens in whatever
// order and whichever writes are lost.
func FuzzNoDoubleHolder(f *testing.F) {
	seeds(f)
	f.Fuzz(noDoubleHolder)
}

func noDoubleHolder(t *testing.T, data []byte) {
	t.Helper()

	w := newWorld(t)
	for i, o := range script(data) {
		w.step(o)
		if found := w.doubleHolder() + w.doubleStatus(); found != "" {
			t.Fatalf("after step %d %v: %s", i, o, found)
		}
	}
}

// FuzzFixedPoint defends P2 and P10: asked again about a Service that has not
// changed, the allocator has nothing to write and nothing to say; and a cluster
// left alone comes to rest.
func FuzzFixedPoint(f *testing.F) {
	seeds(f)
	f.Fuzz(fixedPoint)
}

func fixedPoint(t *testing.T, data []byte) {
	t.Helper()

	w := newWorld(t)
	for _, o := range script(data) {
		svc, _ := w.step(o)
		if svc == nil || w.services[svc.Name] == nil {
			continue
		}
		w.process(svc)
		if got := news(w.process(svc)); got != "" {
			t.Fatalf("asked again about %+v: %s", svc, got)
		}
	}
	for range len(names) + 1 {
		restless := ""
		for _, name := range names {
			if svc := w.services[name]; svc != nil {
				restless += news(w.process(svc))
			}
		}
		if restless == "" {
			return
		}
	}
	t.Fatalf("%d rounds and no rest", len(names)+1)
}

// FuzzOrderIndependent defends P2: what Services hold after a start does not
// depend on the order in which they are read.
func FuzzOrderIndependent(f *testing.F) {
	seeds(f)
	f.Fuzz(orderIndependent)
}

func orderIndependent(t *testing.T, data []byte) {
	t.Helper()

	w := newWorld(t)
	for _, o := range script(data) {
		w.step(o)
	}
	adopt := func(services []config.Service) map[types.NamespacedName]record {
		l := NewLedger()
		l.Adopt(w.snap, services)
		return l.services
	}
	want := adopt(w.list(0))
	for i := range names {
		services := w.list(i)
		if i%2 == 1 {
			slices.Reverse(services)
		}
		got := adopt(services)
		if !reflect.DeepEqual(want, got) { // which is faster than to look for a difference
			t.Fatalf("adopted in another order (-want +got):\n%s",
				cmp.Diff(want, got, cmp.AllowUnexported(record{}, holding{}, identity{}), sameAddr))
		}
	}
}

// FuzzSticky defends P2: nobody who holds what they should is moved by what
// happens to another Service, nor by pools that still have their address.
func FuzzSticky(f *testing.F) {
	seeds(f)
	f.Fuzz(sticky)
}

func sticky(t *testing.T, data []byte) {
	t.Helper()

	w := newWorld(t)
	for i, o := range script(data) {
		settled := make(map[types.NamespacedName]Assignment)
		for name, svc := range w.services {
			if now := Assign(w.snap, w.ledger, *svc); now.Action == Keep && len(now.Refusals) == 0 && w.known(svc) {
				settled[name], _ = w.ledger.Assignment(name)
			}
		}
		touched, global := w.step(o)
		for name, before := range settled {
			svc := w.services[name]
			switch {
			case svc == nil || svc == touched || len(before.Addresses) == 0:
				continue
			case global && o.what != 10:
				continue // a restart goes by the status, which may have been tampered with
			case global && !stillGood(w.snap, svc, before):
				continue
			}
			after := Assign(w.snap, w.ledger, *svc)
			if !slices.Equal(after.Assignment.Addresses, before.Addresses) {
				t.Fatalf("step %d %v moved %s from %v to %v", i, o, name, before, after.Assignment)
			}
		}
	}
}

// known reports whether the ledger knows with what the Service now shares. As
// long as it does not, others may join it on an address by its former rules.
func (w *world) known(svc *config.Service) bool {
	last := w.applied[svc.Name]
	return sameSharing(&last, svc)
}

func sameSharing(a, b *config.Service) bool {
	return identityOf(a) == identityOf(b) && slices.Equal(a.Ports, b.Ports)
}

// stillGood reports whether nothing speaks against an assignment in those
// pools.
func stillGood(snap *config.Snapshot, svc *config.Service, a Assignment) bool {
	if p := snap.Pool(a.Pool); p != nil && p.Suspended {
		return (svc.WantPool == "" || svc.WantPool == a.Pool) &&
			(len(svc.WantAddresses) == 0 || slices.Equal(svc.WantAddresses, a.Addresses))
	}
	p := snap.PoolOf(a.Addresses, "")
	return p != nil && p.Admits(svc.Name.Namespace, svc.Labels) &&
		!slices.ContainsFunc(a.Addresses, p.Withholds) &&
		(svc.WantPool == "" || svc.WantPool == p.Name)
}

// FuzzRefusalsHaveReasons defends P7: a Service without what it asks for has a
// reason, in a word and in a sentence.
func FuzzRefusalsHaveReasons(f *testing.F) {
	seeds(f)
	f.Fuzz(refusalsHaveReasons)
}

func refusalsHaveReasons(t *testing.T, data []byte) {
	t.Helper()

	w := newWorld(t)
	for _, o := range script(data) {
		w.step(o)
		for _, svc := range w.services {
			checkReasons(t, svc, Assign(w.snap, w.ledger, *svc))
		}
	}
}

func checkReasons(t *testing.T, svc *config.Service, o Outcome) {
	t.Helper()

	has := len(o.Assignment.Addresses)
	full := has > 0 && has == len(svc.Families) && !unmet(svc, o.Assignment)
	if svc.LoadBalancer && !full && len(o.Refusals) == 0 {
		t.Errorf("no reason why %+v holds %v", svc, o.Assignment)
	}
	if !svc.LoadBalancer && (has > 0 || len(o.Refusals) > 0) {
		t.Errorf("%+v is no LoadBalancer and holds %v, refused %v", svc, o.Assignment, o.Refusals)
	}
	for _, r := range o.Refusals {
		if r.Reason == "" || r.Detail == "" {
			t.Errorf("empty refusal %+v for %+v", r, svc)
		}
	}
	silent := len(o.Refusals) == 0 || o.Refusals[0].Reason == NoClusterIP
	if !silent && len(o.Standing) == 0 {
		t.Errorf("nothing stands against %+v, refused %v", svc, o.Refusals)
	}
	for _, n := range slices.Concat(o.Standing, o.Notes) {
		if n.Type == "" || n.Reason == "" || n.Message == "" || strings.Contains(n.Message, "%!") || strings.Contains(n.Message, "invalid IP") {
			t.Errorf("note %+v for %+v", n, svc)
		}
	}
}

// unmet reports whether an assignment is not what the Service asks for.
func unmet(svc *config.Service, a Assignment) bool {
	return svc.WantPool != "" && svc.WantPool != a.Pool ||
		len(svc.WantAddresses) > 0 && !slices.Equal(svc.WantAddresses, a.Addresses) ||
		problemIn(svc, partRequest) != nil
}

// FuzzModel compares every automatic allocation with a naive search, and in
// the end the ledger's indexes with its records.
func FuzzModel(f *testing.F) {
	seeds(f)
	f.Fuzz(model)
}

func model(t *testing.T, data []byte) {
	t.Helper()

	w := newWorld(t)
	for i, o := range script(data) {
		w.step(o)
		for _, svc := range w.services {
			now := Assign(w.snap, w.ledger, *svc)
			if now.Action != Allocate && now.Action != Refuse || now.Action == Refuse && now.Refusals[0].Pool == "" ||
				svc.WantPool != "" || len(svc.WantAddresses) > 0 || len(svc.Addresses) > 0 {
				continue
			}
			if diff := cmp.Diff(w.naive(*svc), now.Assignment.Addresses, sameAddr); diff != "" {
				t.Fatalf("after step %d %v, %+v (-naive +got):\n%s", i, o, svc, diff)
			}
		}
	}
	if diff := audit(w.ledger); diff != "" {
		t.Fatalf("indexes (-from the records +got):\n%s", diff)
	}
}
