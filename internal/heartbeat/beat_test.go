package heartbeat

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var compare = cmp.AllowUnexported(beat{}, hearing{}, entry{}, verdict{})

func sample() beat {
	return beat{
		from: idOf("node-a"), seq: 1 << 40, echo: 7, watch: true, reply: true,
		hears: []hearing{{idOf("node-b"), false}, {idOf("node-c"), true}},
		table: []entry{{idOf("node-c"), verdict{3, NodeDown}}},
	}
}

func TestSeal(t *testing.T) {
	t.Parallel()

	keys := func(names ...string) seals {
		var in [][]byte
		for _, n := range names {
			in = append(in, bytes.Repeat([]byte(n), 32)) // "" is none
		}
		s, err := newSeals(in)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, tt := range []struct {
		name         string
		seal, open   seals
		change       func([]byte)
		wantRejected bool
	}{
		{name: "one key", seal: keys("a"), open: keys("a")},
		{name: "no key", seal: keys(), open: keys()},
		{name: "the first key is read before it is written", seal: keys(""), open: keys("", "a")},
		{name: "no key is read after one was written", seal: keys("", "a"), open: keys("a", "")},
		{name: "the new key is read before it is written", seal: keys("a"), open: keys("a", "b")},
		{name: "the old key is read after it was written", seal: keys("b", "a"), open: keys("a", "b")},
		{name: "another key", seal: keys("a"), open: keys("b"), wantRejected: true},
		{name: "in the clear where there is a key", seal: keys(""), open: keys("a"), wantRejected: true},
		{name: "sealed where there is no key", seal: keys("a"), open: keys(""), wantRejected: true},
		{name: "one bit flipped", seal: keys("a"), open: keys("a"), change: func(p []byte) { p[len(p)-1] ^= 1 }, wantRejected: true},
		{name: "said to be in the clear", seal: keys("a"), open: keys(""), change: func(p []byte) { p[1] = magicPlain }, wantRejected: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			want := sample()
			packet := tt.seal.close(&want)
			if !IsBeat(packet) {
				t.Error("the packet is not recognised")
			}
			if tt.change != nil {
				tt.change(packet)
			}
			got, err := tt.open.open(packet)
			if (err != nil) != tt.wantRejected {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(want, got, compare); err == nil && diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzBeat holds that nothing received makes the codec panic, and that what it
// accepts means one thing only.
func FuzzBeat(f *testing.F) {
	b := sample()
	f.Add(b.append(nil))
	f.Add([]byte{})
	f.Add(make([]byte, fixedLen))
	f.Fuzz(func(t *testing.T, in []byte) {
		b, err := parse(in)
		if err != nil {
			return
		}
		if len(b.hears) > maxEntries/4 || len(b.table) > maxEntries*3/4 {
			return
		}
		if got := b.append(nil); !bytes.Equal(got, in) {
			t.Errorf("%x becomes %x", in, got)
		}
	})
}

func TestWatchers(t *testing.T) {
	t.Parallel()

	var all []id
	for _, n := range []string{"node-a", "node-b", "node-c", "node-d", "node-e", "node-f", "node-g"} {
		all = append(all, idOf(n))
	}
	for count := 1; count <= 3; count++ {
		for have := 0; have <= len(all); have++ {
			load := map[id]int{}
			for _, node := range all[:have] {
				got := watchers(node, all[:have], count)
				if want := max(0, min(count, have-1)); len(got) != want {
					t.Errorf("%d of %d nodes: %d watchers, want %d", count, have, len(got), want)
				}
				for _, w := range got {
					if w == node {
						t.Error("a node watches itself")
					}
					load[w]++
				}
			}
			for node, n := range load {
				if want := min(count, have-1); n != want {
					t.Errorf("%d of %d nodes: %x watches %d, want %d", count, have, node, n, want)
				}
			}
		}
	}
}
