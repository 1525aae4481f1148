package members

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/memberlist"
)

// TestDeriveKey holds the derivation to MetalLB's: during a migration both
// must come to the same key.
func TestDeriveKey(t *testing.T) {
	t.Parallel()

	// SHA-256 of the empty input, FIPS 180-4.
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	tests := []struct {
		name, file, want string
	}{
		{"nothing", "", empty},
		{"one byte", "x", hex.EncodeToString([]byte("x")) + empty[:62]},
		{"a generated secret: 22 characters", "AAECAwQFBgcICQoLDA0ODw", hex.EncodeToString([]byte("AAECAwQFBgcICQoLDA0ODw")) + empty[:20]},
		{"a line with its end", "secret\n", hex.EncodeToString([]byte("secret\n")) + empty[:50]},
		{"exactly a key", strings.Repeat("k", 32), hex.EncodeToString([]byte(strings.Repeat("k", 32)))},
		{"more than a key", strings.Repeat("k", 32) + "ignored", hex.EncodeToString([]byte(strings.Repeat("k", 32)))},
	}
	for _, tc := range tests {
		if got := hex.EncodeToString(deriveKey([]byte(tc.file))); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestKeyset(t *testing.T) {
	t.Parallel()

	a, b := deriveKey([]byte("a")), deriveKey([]byte("b"))
	tests := []struct {
		name string
		got  keyset
		want keyset
	}{
		{"nothing", newKeyset(nil), keyset{nil, plaintext{sent: true, accepted: true, only: true}, marks("")}},
		{"a key", newKeyset([]byte("a")), keyset{[][]byte{a}, plaintext{}, marks("a")}},
		{"two keys, one twice", newKeyset([]byte("a"), []byte("b"), []byte("a")), keyset{[][]byte{a, b}, plaintext{}, marks("a", "b")}},
		{"towards a key", newKeyset(nil, []byte("a")), keyset{[][]byte{a}, plaintext{sent: true, accepted: true}, marks("", "a")}},
		{"nearly there", newKeyset([]byte("a"), nil), keyset{[][]byte{a}, plaintext{accepted: true}, marks("a", "")}},
	}
	for _, tc := range tests {
		if diff := cmp.Diff(tc.want, tc.got, cmp.AllowUnexported(keyset{}, plaintext{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func marks(files ...string) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = mark([]byte(f))
	}

	return out
}

// TestInstall changes a ring while it is read, as memberlist reads it.
func TestInstall(t *testing.T) {
	t.Parallel()

	keys := func(names string) [][]byte {
		var ks [][]byte
		for _, n := range names {
			ks = append(ks, deriveKey([]byte(string(n))))
		}

		return ks
	}
	ring := &memberlist.Keyring{}
	if err := install(ring, keys("a")); err != nil {
		t.Fatal(err)
	}

	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			for _, k := range ring.GetKeys() {
				if len(k) != keyBytes {
					t.Errorf("a key of %d bytes", len(k))
				}
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for _, names := range []string{"a", "ab", "ba", "b", "bcd", "dc", "acd", "cd", "z", "abcdefg", "gc", "a"} {
		want := keys(names)
		if err := install(ring, want); err != nil {
			t.Fatalf("%s: %v", names, err)
		}
		if diff := cmp.Diff(want, ring.GetKeys()); diff != "" {
			t.Errorf("ring of %s (-want +got):\n%s", names, diff)
		}
	}
	close(stop)
	readers.Wait()
}

// TestWrongKey: who has another key, or none, is not let in, and both sides
// say why without repeating themselves. It takes itself for alone only after it
// has waited for the keys to become the same (P3).
func TestWrongKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSegment(t)
		nodes := s.startAll(t, 3, Options{Key: []byte("right")})
		wrong := s.start(t, 4, Options{Key: []byte("wrong")})
		none := s.start(t, 5, Options{})
		for _, n := range []*node{wrong, none} {
			n.SetPeers(addresses(1, 2, 3))
		}
		time.Sleep(strangeTime - time.Second)
		for _, n := range []*node{wrong, none} {
			if got := n.Members(); got != nil {
				t.Errorf("%s: members while others with another key are waited for are %v, want nil", n.node, got)
			}
			if got := n.log.lines("waiting for peers that have another key"); len(got) != 1 {
				t.Errorf("%s: waiting said %d times, want once:\n%s", n.node, len(got), n.log)
			}
		}
		wrong.await(2*maxRetry, "n4")
		none.await(2*maxRetry, "n5")

		for _, n := range nodes {
			n.await(0, nodeNames(3)...)
		}
		inside := nodes[0].log
		if got := inside.lines("level=WARN"); len(got) == 0 || len(got) > 4 {
			t.Errorf("%d warnings inside in ten minutes, want a few:\n%s", len(got), inside)
		}
		for _, n := range []*node{wrong, none} {
			if got := n.log.lines("level=WARN", "peer cannot be joined", "crypt"); len(got) != 3 {
				t.Errorf("%s: %d of 3 refusals said:\n%s", n.node, len(got), n.log)
			}
		}
		if got := none.log.lines("plaintext, for want of a key"); len(got) != 1 {
			t.Errorf("plaintext said %d times, want once:\n%s", len(got), none.log)
		}
	})
}

// TestRotation changes the key of a running cluster in the three steps of the
// package comment, and nobody misses anybody.
func TestRotation(t *testing.T) {
	t.Parallel()

	old, fresh := []byte("old"), []byte("new")
	tests := []struct {
		name  string
		start []byte
		steps [][][]byte
		pause time.Duration // between two nodes that take the same step
	}{
		{"from key to key", old, [][][]byte{{old, fresh}, {fresh, old}, {fresh}}, time.Minute},
		{"from key to key, all at once", old, [][][]byte{{old, fresh}, {fresh, old}, {fresh}}, 0},
		{"from plaintext to key", nil, [][][]byte{{nil, fresh}, {fresh, nil}, {fresh}}, time.Minute},
		{"from plaintext to key, all at once", nil, [][][]byte{{nil, fresh}, {fresh, nil}, {fresh}}, 0},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSegment(t)
				nodes := s.startAll(t, 4, Options{Key: tc.start})
				for i, keys := range tc.steps {
					for _, n := range nodes {
						n.SetKey(keys[0], keys[1:]...)
						time.Sleep(tc.pause)
						s.check(t, nodes, fmt.Sprintf("step %d on %s", i+1, n.node))
					}
					time.Sleep(time.Minute)
					s.check(t, nodes, fmt.Sprintf("after step %d", i+1))
				}
				for _, n := range nodes {
					if got := n.log.lines("member left"); len(got) != 0 {
						t.Errorf("%s missed somebody:\n%s", n.node, n.log)
					}
				}

				// The old key opens nothing any more, the new one does.
				late := s.start(t, 8, Options{Key: tc.start})
				late.SetPeers(addresses(1, 2))
				late.await(strangeTime+2*maxRetry, "n8")
				next := s.start(t, 5, Options{Key: fresh})
				next.SetPeers(addresses(1, 2))
				next.await(time.Minute, nodeNames(5)...)
			})
		})
	}
}

// check fails the test if a node does not see all the others.
func (s *segment) check(t *testing.T, nodes []*node, when string) {
	t.Helper()
	for _, n := range nodes {
		if got, want := n.Members(), nodeNames(len(nodes)); !slices.Equal(got, want) {
			t.Fatalf("%s: %s sees %v, want %v\n%s", when, n.node, got, want, n.log)
		}
	}
}

// TestKeyAtOnce is the straight way from plaintext to a key. There are two
// lists in between, and one in the end.
func TestKeyAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSegment(t)
		nodes := s.startAll(t, 3, Options{})
		for _, n := range nodes {
			n.SetKey([]byte("key"))
			time.Sleep(time.Minute)
		}
		for _, n := range nodes {
			n.await(2*maxRetry, nodeNames(3)...)
		}
	})
}
