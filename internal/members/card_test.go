package members

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/memberlist"
)

func TestCard(t *testing.T) {
	t.Parallel()

	mac, other := [6]byte{2, 0, 0, 0x5e, 0, 0x53}, [6]byte{2, 0, 0, 0x5e, 0, 0x54}
	eth := Card{Heartbeat: true, LinksKnown: true, Links: []Link{
		{"eth0", true, true, mac, false}, {"eth0.7", false, true, mac, false}, {"eth1", true, false, other, true}, {"eth2", true, false, [6]byte{}, false},
	}}
	for _, tt := range []struct {
		name string
		card Card
		text string
		want Card
	}{
		{"nothing", Card{}, "clarion", Card{}},
		{"all", eth, "clarion +heartbeat +links 46:eth0:0200005e0053 6:eth0.7 4r:eth1:0200005e0054 4:eth2:000000000000", eth},
		{"no MAC", Card{LinksKnown: true, Links: []Link{{Name: "eth0", IPv4: true}}}, "clarion +links 4:eth0", Card{LinksKnown: true, Links: []Link{{Name: "eth0", IPv4: true}}}},
		{"no usable link", Card{LinksKnown: true}, "clarion +links", Card{LinksKnown: true}},
		{
			"keys",
			Card{Keys: []string{"01234567", "89abcdef", "1", "2", "3"}},
			"clarion +key:01234567 +key:89abcdef +key:1 +key:2",
			Card{Keys: []string{"01234567", "89abcdef", "1", "2"}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, whole := tt.card.encode(512)
			if text := string(out); text != tt.text || !whole {
				t.Errorf("written as %q (all of it: %t), want %q", text, whole, tt.text)
			}
			if diff := cmp.Diff(tt.want, parseCard(out)); diff != "" {
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

// TestCrowdedCard: a card that is too long for a packet is packed; of one that is
// too long even so, readers know each MAC, and that they do not know all.
func TestCrowdedCard(t *testing.T) {
	t.Parallel()

	card := func(links int, name string, macs int) Card {
		c := Card{Heartbeat: true, LinksKnown: true, Keys: []string{"01234567"}}
		for i := range links {
			l := Link{Name: fmt.Sprintf(name, i), IPv4: true, IPv6: true}
			h := sha256.Sum256([]byte{byte(i % macs), 1})
			copy(l.MAC[:], h[:])
			c.Links = append(c.Links, l)
		}
		slices.SortFunc(c.Links, func(a, b Link) int { return strings.Compare(a.Name, b.Name) })
		return c
	}
	for _, tt := range []struct {
		name  string
		card  Card
		whole bool
	}{
		{"100 VLANs on a bond", card(100, "bond0.1%03d", 1), true},
		{"40 interfaces with a MAC of their own", card(40, "enp123s0f0v%d", 40), true},
		{"100 interfaces with a MAC of their own", card(100, "enp123s0f0v%d", 100), false},
		{"1000 VLANs on three bonds", card(1000, "bond0.%d", 3), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text, whole := tt.card.encode(memberlist.MetaMaxSize)
			if len(text) > memberlist.MetaMaxSize || whole != tt.whole {
				t.Errorf("written in %d octets (all of it: %t)", len(text), whole)
			}
			got := parseCard(text)
			t.Logf("%d octets tell of %d links", len(text), len(got.Links))
			if whole {
				if diff := cmp.Diff(tt.card, got); diff != "" {
					t.Error(diff)
				}
				return
			}
			if got.LinksKnown || !got.Heartbeat || len(got.Links) < 30 || !slices.Equal(got.Keys, tt.card.Keys) {
				t.Errorf("read as %+v", got)
			}
			macs := map[[6]byte]bool{}
			for _, l := range got.Links {
				macs[l.MAC] = true
				if !slices.Contains(tt.card.Links, l) {
					t.Errorf("%+v was never said", l)
				}
			}
			if want := min(len(got.Links), len(distinctMACs(tt.card.Links))); len(macs) != want {
				t.Errorf("%d MACs are known, want %d", len(macs), want)
			}
		})
	}
}

func distinctMACs(links []Link) map[[6]byte]bool {
	macs := map[[6]byte]bool{}
	for _, l := range links {
		macs[l.MAC] = true
	}
	return macs
}

// FuzzCard holds that any text can be read, and that what was read is written
// so that it reads the same.
func FuzzCard(f *testing.F) {
	f.Add("clarion +heartbeat +links 46:eth0 4:eth1")
	f.Add("clarion-packed \x4a\xce\x49")
	f.Add("clarion +links 46r:eth1:0200005e0053 4:eth0 6:eth1 4:eth2:02 4:eth3:0200005e0054:7")
	f.Fuzz(func(t *testing.T, text string) {
		c := parseCard([]byte(text))
		c.Keys = c.Keys[:min(len(c.Keys), cardKeys)]
		for _, limit := range []int{1 << 20, memberlist.MetaMaxSize} {
			out, whole := c.encode(limit)
			if again := parseCard(out); whole && !again.Equal(c) || !whole && again.LinksKnown {
				t.Errorf("%+v becomes %+v", c, again)
			}
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
					if len(m.Card.Keys) != 1 {
						t.Errorf("%s accepts the keys %q, want one", name, m.Card.Keys)
					}
					m.Card.Keys = nil
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
