package members

import (
	"bytes"
	"compress/flate"
	"encoding/hex"
	"io"
	"slices"
	"sort"
	"strings"
)

const (
	cardMark      = "clarion"
	cardHeartbeat = "+heartbeat"
	cardLinks     = "+links"
	cardKey       = "+key:"
	// cardPacked stands before words that are compressed (RFC 1951).
	cardPacked = "clarion-packed "

	// cardKeys is how many keys are named: nobody waits for more.
	cardKeys = 4
	// cardMax is how much a packed card may hold, in octets.
	cardMax = 64 << 10
)

// encode writes the card as words, of which readers skip those they do not
// know. It reports whether all of it fits into limit octets. If not even packed,
// there are fewer links, and they are not said to be all: half of the truth
// would move addresses. Those named are chosen so that each MAC is there once.
func (c Card) encode(limit int) (text []byte, whole bool) {
	if text = pack(c.words(), limit); len(text) <= limit {
		return text, true
	}
	c.LinksKnown = false
	all := distinctFirst(c.Links)
	some := func(n int) []byte {
		c.Links = all[:n]
		return pack(c.words(), limit)
	}
	return some(sort.Search(len(all), func(n int) bool { return len(some(n+1)) > limit })), false
}

func (c Card) words() string {
	words := []string{cardMark}
	if c.Heartbeat {
		words = append(words, cardHeartbeat)
	}
	for _, k := range c.Keys[:min(len(c.Keys), cardKeys)] {
		words = append(words, cardKey+k)
	}
	if c.LinksKnown {
		words = append(words, cardLinks)
	}
	var last [6]byte
	for _, l := range c.Links {
		words = append(words, l.encode(last))
		last = l.MAC
	}
	return strings.Join(words, " ")
}

// pack compresses words that are longer than limit.
func pack(words string, limit int) []byte {
	if len(words) <= limit {
		return []byte(words)
	}
	out := bytes.NewBufferString(cardPacked)
	w, _ := flate.NewWriter(out, flate.BestCompression) // fails for unknown levels only
	_, _ = io.WriteString(w, words)                     // into memory, which never fails
	_ = w.Close()
	return out.Bytes()
}

// unpack undoes pack; nothing for what is no card, or more than one can be.
func unpack(text []byte) string {
	packed, ok := bytes.CutPrefix(text, []byte(cardPacked))
	if !ok {
		return string(text)
	}
	words, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), cardMax+1))
	if err != nil || len(words) > cardMax {
		return ""
	}
	return string(words)
}

// distinctFirst returns the links, those first whose MAC none before them has.
func distinctFirst(links []Link) []Link {
	seen := map[[6]byte]bool{}
	var first, rest []Link
	for _, l := range links {
		if seen[l.MAC] {
			rest = append(rest, l)
		} else {
			first = append(first, l)
		}
		seen[l.MAC] = true
	}
	return append(first, rest...)
}

// encode writes the link as families:name:MAC, with an r behind the families of
// one that is recovering. The MAC is left out if it is that of the link before:
// VLANs mostly have one in common, and the space is short.
func (l Link) encode(last [6]byte) string {
	word := ":" + l.Name
	if l.Recovering {
		word = "r" + word
	}
	if l.IPv6 {
		word = "6" + word
	}
	if l.IPv4 {
		word = "4" + word
	}
	if l.MAC == last {
		return word
	}
	return word + ":" + hex.EncodeToString(l.MAC[:])
}

// parseLink reads what encode wrote. A MAC that cannot be read is not known.
func parseLink(word string, last [6]byte) (l Link, ok bool) {
	families, rest, isLink := strings.Cut(word, ":")
	if !isLink || strings.Trim(families, "46r") != "" {
		return Link{}, false
	}
	name, text, own := strings.Cut(rest, ":")
	l = Link{
		Name: name, MAC: last,
		IPv4: strings.Contains(families, "4"), IPv6: strings.Contains(families, "6"), Recovering: strings.Contains(families, "r"),
	}
	if own {
		l.MAC = [6]byte{}
		if mac, err := hex.DecodeString(text); err == nil && len(mac) == len(l.MAC) {
			l.MAC = [6]byte(mac)
		}
	}
	return l, true
}

// parseCard reads what encode wrote, and nothing else for the zero Card.
func parseCard(text []byte) Card {
	words := strings.Fields(unpack(text))
	if len(words) == 0 || words[0] != cardMark {
		return Card{}
	}
	var c Card
	var last [6]byte
	for _, w := range words[1:] {
		key, isKey := strings.CutPrefix(w, cardKey)
		switch {
		case w == cardHeartbeat:
			c.Heartbeat = true
		case w == cardLinks:
			c.LinksKnown = true
		case isKey:
			c.Keys = append(c.Keys, key)
		default:
			if l, ok := parseLink(w, last); ok {
				c.Links = append(c.Links, l)
				last = l.MAC
			}
		}
	}
	slices.SortStableFunc(c.Links, func(a, b Link) int { return strings.Compare(a.Name, b.Name) })
	return c
}
