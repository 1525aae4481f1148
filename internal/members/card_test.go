package members

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCard(t *testing.T) {
	t.Parallel()

	mac, other := [6]byte{2, 0, 0, 0x5e, 0, 0x53}, [6]byte{2, 0, 0, 0x5e, 0, 0x54}
	eth := Card{Heartbeat: true, LinksKnown: true, Links: []Link{
		{"eth0", true, true, mac}, {"eth0.7", false, true, mac}, {"eth1", true, false, other}, {"eth2", true, false, [6]byte{}},
	}}
	many := Card{Heartbeat: true, LinksKnown: true}
	for range 60 {
		many.Links = append(many.Links, Link{Name: "enp123s0f0np0", IPv4: true})
	}
	for _, tt := range []struct {
		name string
		card Card
		text string
		want Card
	}{
		{"nothing", Card{}, "clarion", Card{}},
		{"all", eth, "clarion +heartbeat +links 46:eth0:0200005e0053 6:eth0.7 4:eth1:0200005e0054 4:eth2:000000000000", eth},
		{"no MAC", Card{LinksKnown: true, Links: []Link{{Name: "eth0", IPv4: true}}}, "clarion +links 4:eth0", Card{LinksKnown: true, Links: []Link{{Name: "eth0", IPv4: true}}}},
		{"no usable link", Card{LinksKnown: true}, "clarion +links", Card{LinksKnown: true}},
		{"too many links to say", many, "clarion +heartbeat", Card{Heartbeat: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text := string(tt.card.encode(512))
			if text != tt.text {
				t.Errorf("written as %q, want %q", text, tt.text)
			}
			if diff := cmp.Diff(tt.want, parseCard([]byte(text))); diff != "" {
				t.Error(diff)
			}
		})
	}
	for _, text := range []string{"", "frr 4:eth0", "\x00\xff", "clarion 9:eth0 +unknown"} {
		if got := parseCard([]byte(text)); !got.Equal(Card{}) {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

// FuzzCard holds that any text can be read, and that what was read is written
// so that it reads the same.
func FuzzCard(f *testing.F) {
	f.Add("clarion +heartbeat +links 46:eth0 4:eth1")
	f.Add("clarion +links 46:eth1:0200005e0053 4:eth0 6:eth1 4:eth2:02 4:eth3:0200005e0054:7")
	f.Fuzz(func(t *testing.T, text string) {
		c := parseCard([]byte(text))
		again := parseCard(c.encode(1 << 20))
		if c.LinksKnown && !again.Equal(c) {
			t.Errorf("%+v becomes %+v", c, again)
		}
	})
}

// TestCardReachesOthers: what a member says of itself, and says anew, the others
// know.
func TestCardReachesOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSegment(t)
		nodes := s.startAll(t, 3, Options{Card: Card{Heartbeat: true}})
		says := func(on int, name string) Card {
			for _, m := range nodes[on].Roster() {
				if m.Name == name {
					return m.Card
				}
			}
			return Card{}
		}
		if got := says(0, "n3"); !got.Heartbeat {
			t.Errorf("n1 knows %+v of n3", got)
		}
		want := Card{Heartbeat: true, LinksKnown: true, Links: []Link{{Name: "eth0", IPv4: true, IPv6: true, MAC: [6]byte{2, 0, 0, 0x5e, 0, 0x53}}}}
		nodes[2].SetCard(want)
		for end := time.Now().Add(2 * time.Second); !says(0, "n3").Equal(want) || !says(1, "n3").Equal(want) || !says(2, "n3").Equal(want); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("n1 knows %+v of n3", says(0, "n3"))
			}
		}
	})
}

// TestAside: packets of somebody else use the same port and never reach
// memberlist.
func TestAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSegment(t)
		got := make(chan string, 10)
		nodes := s.startAll(t, 2, Options{Aside: func(p []byte) bool {
			ours := strings.HasPrefix(string(p), "ours ")
			if ours {
				got <- string(p)
			}
			return ours
		}})
		if err := nodes[0].Send([]byte("ours hello"), netip.AddrPortFrom(nodes[1].addr.Addr(), nodes[1].addr.Port())); err != nil {
			t.Fatal(err)
		}
		if text := <-got; text != "ours hello" {
			t.Errorf("got %q", text)
		}
		nodes[1].stop()
		if err := nodes[1].Send([]byte("ours bye"), nodes[0].addr); err == nil {
			t.Error("a closed port sends")
		}
	})
}
