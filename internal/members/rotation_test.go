package members

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// key returns a key file of a usable length.
func key(name string) []byte { return []byte(name + strings.Repeat(".", minKey)) }

// accepting is a member that accepts the keys of those names.
func accepting(name string, keys ...string) Member {
	m := Member{Name: name}
	for _, k := range keys {
		m.Card.Keys = append(m.Card.Keys, mark(key(k)))
	}
	return m
}

// TestRotationSteps walks one speaker through changes of the key file.
func TestRotationSteps(t *testing.T) {
	t.Parallel()

	type step struct {
		after   time.Duration
		want    string // the key file says so from now on; empty: as before
		members []Member
		keys    string // what is used, and what is accepted besides
		behind  string
		wait    time.Duration
	}
	a, both, b := []Member{accepting("n1", "a")}, []Member{accepting("n1", "a", "b")}, []Member{accepting("n1", "b", "a")}
	for _, tt := range []struct {
		name  string
		steps []step
	}{
		{"the others follow", []step{
			{0, "", a, "a", "", 0},
			{0, "b", a, "a b", "n1", followTime},
			{time.Minute, "", a, "a b", "n1", followTime - time.Minute},
			{2 * time.Minute, "", both, "b a", "", retireTime},
			{2*time.Minute + retireTime, "", b, "b", "", 0},
		}},
		{"one never follows", []step{
			{0, "b", append(a, accepting("n2")), "a b", "n1 n2", followTime},
			{followTime, "", append(both, accepting("n2")), "b a", "n2", retireTime},
			{followTime + retireTime, "", both, "b", "", 0},
		}},
		{"alone", []step{
			{0, "b", nil, "b a", "", retireTime},
		}},
		{"and back before it was used", []step{
			{0, "b", a, "a b", "n1", followTime},
			{time.Minute, "a", both, "a b", "", retireTime},
			{time.Minute + retireTime, "", a, "a", "", 0},
		}},
		{"and back after it was used", []step{
			{0, "b", both, "b a", "", retireTime},
			{time.Minute, "a", both, "a b", "", retireTime},
		}},
		{"twice in a row", []step{
			{0, "b", a, "a b", "n1", followTime},
			{time.Minute, "c", both, "a c b", "n1", followTime},
			{2 * time.Minute, "", []Member{accepting("n1", "a", "c")}, "c b a", "", retireTime - time.Minute},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			r := NewRotation(key("a"))
			for i, s := range tt.steps {
				now := start.Add(s.after)
				if s.want != "" {
					if err := r.Want(key(s.want), now); err != nil {
						t.Fatal(err)
					}
				}
				want := Keys{Wait: s.wait, Behind: strings.Fields(s.behind)}
				for k := range strings.FieldsSeq(s.keys) {
					want.Files = append(want.Files, key(k))
				}
				got := r.Keys(now, s.members)
				if len(got.Behind) == 0 {
					got.Behind = []string{}
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("step %d (-want +got):\n%s", i+1, diff)
				}
			}
		})
	}
}

// TestRotationRefuses defends P6: what is no key leaves the old one in force.
func TestRotationRefuses(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"gone", nil, "the new one is empty or gone: to talk in plaintext, all speakers have to be started again without a key"},
		{"empty", []byte{}, "the new one is empty or gone: to talk in plaintext, all speakers have to be started again without a key"},
		{"short", []byte("secret\n"), "the new one has 7 octets, and needs 16 at the least"},
	} {
		r := NewRotation(key("a"))
		err := r.Want(tt.file, time.Now())
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if diff := cmp.Diff(Keys{Files: [][]byte{key("a")}}, r.Keys(time.Now(), nil)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if err := NewRotation(nil).Want(nil, time.Now()); err != nil {
		t.Errorf("no key, as before: %v", err)
	}
	if err := NewRotation([]byte("short")).Want([]byte("short"), time.Now()); err != nil {
		t.Errorf("a short key, as before: %v", err)
	}
}

// rotator is a node whose key file can change, as cmd/speaker has it.
type rotator struct {
	*node
	rotation *Rotation
}

func (r rotator) turn() {
	k := r.rotation.Keys(time.Now(), r.Roster())
	r.SetKey(k.Files[0], k.Files[1:]...)
}

// TestRotationOfThree: the key file of a running cluster changes, on one node
// after the other as kubelets do it, and nobody misses anybody (P3). One that is
// started meanwhile, and has only the new key, takes itself for nobody's owner
// until the others have it too, and then belongs to them.
func TestRotationOfThree(t *testing.T) {
	t.Parallel()

	for _, tt := range []struct {
		name  string
		from  []byte
		pause time.Duration // between two kubelets
	}{
		{"from key to key", key("a"), 40 * time.Second},
		{"from key to key, at once", key("a"), 0},
		{"from plaintext to a key", nil, 40 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSegment(t)
				var nodes []*node
				var all []rotator
				for _, n := range s.startAll(t, 3, Options{Key: tt.from}) {
					nodes = append(nodes, n)
					all = append(all, rotator{n, NewRotation(tt.from)})
				}
				pass := func(d time.Duration) {
					for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
						for _, r := range all {
							r.turn()
						}
						s.check(t, nodes, "meanwhile")
					}
				}
				if err := all[0].rotation.Want(key("b"), time.Now()); err != nil {
					t.Fatal(err)
				}
				pass(tt.pause)

				late := s.start(t, 4, Options{Key: key("b")})
				for _, n := range append(nodes, late) {
					n.SetPeers(addresses(1, 2, 3, 4))
				}
				for _, r := range all[1:] {
					if got := late.Members(); got != nil && tt.pause > 0 {
						t.Fatalf("the late one sees %v before all have its key", got)
					}
					if err := r.rotation.Want(key("b"), time.Now()); err != nil {
						t.Fatal(err)
					}
					if r.node != nodes[2] {
						pass(tt.pause)
					}
				}
				begin := time.Now()
				for !slices.Equal(late.Members(), nodeNames(4)) {
					if got := late.Members(); got != nil || time.Since(begin) > 2*maxRetry {
						t.Fatalf("the late one sees %v after %v\n%s", got, time.Since(begin), late.log)
					}
					for _, r := range all {
						r.turn()
					}
					time.Sleep(100 * time.Millisecond)
				}
				t.Logf("the late one belongs to them %v after the last has the key", time.Since(begin))

				nodes = append(nodes, late)
				all = append(all, rotator{late, NewRotation(key("b"))})
				complete := func() bool {
					return !slices.ContainsFunc(nodes, func(n *node) bool { return len(n.Members()) != 4 })
				}
				for end := time.Now().Add(2 * maxRetry); !complete() && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
					for _, r := range all {
						r.turn()
					}
				}
				pass(retireTime + time.Minute)
				for _, n := range nodes {
					if diff := cmp.Diff([]string{mark(key("b"))}, n.wanted().keys.marks); diff != "" {
						t.Errorf("%s, in the end (-want +got):\n%s", n.node, diff)
					}
					if got := n.log.lines("member left"); len(got) != 0 {
						t.Errorf("%s missed somebody:\n%s", n.node, n.log)
					}
				}
			})
		})
	}
}

// TestRotationWithoutFollowers: one that cannot follow, as MetalLB's speakers
// cannot, is left behind in the end, not before.
func TestRotationWithoutFollowers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSegment(t)
		nodes := s.startAll(t, 3, Options{Key: key("a")})
		for i := range 2 {
			r := rotator{nodes[i], NewRotation(key("a"))}
			if err := r.rotation.Want(key("b"), time.Now()); err != nil {
				t.Fatal(err)
			}
			go func() {
				for t.Context().Err() == nil {
					r.turn()
					time.Sleep(time.Second)
				}
			}()
		}
		time.Sleep(followTime - time.Second)
		s.check(t, nodes, fmt.Sprintf("after %v", followTime-time.Second))
		for _, n := range nodes[:2] {
			n.await(time.Minute, "n1", "n2")
		}
	})
}
