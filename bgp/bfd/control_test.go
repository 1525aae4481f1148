package bfd

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A packet of RFC 5880, 4.1, field by field: version 1 with diagnostic 3, state Up
// with Poll, multiplier 5, length 24, discriminators, intervals of 300 ms, 100 ms
// and 50 ms in microseconds.
const goldenHex = "23 e0 05 18  00 00 00 0b  00 00 00 16  00 04 93 e0  00 01 86 a0  00 00 c3 50"

func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestControlOnTheWire(t *testing.T) {
	t.Parallel()
	want := control{
		diag: NeighborSignaledDown, state: Up, poll: true, multiplier: 5, mine: 11, yours: 22,
		desiredTx: 300 * ms, requiredRx: 100 * ms, requiredEchoRx: 50 * ms,
	}
	golden := unhex(t, goldenHex)
	got, why := parseControl(golden)
	if why != keep {
		t.Fatalf("discarded: %v", why)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(control{})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(golden, want.append(nil)); diff != "" {
		t.Error(diff)
	}
}

// TestParseControl: the checks of RFC 5880, 6.8.6 that need no session.
func TestParseControl(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(b []byte) []byte
		want   discard
	}{
		"as it is":                     {func(b []byte) []byte { return b }, keep},
		"empty":                        {func([]byte) []byte { return nil }, malformed},
		"one byte short":               {func(b []byte) []byte { return b[:23] }, malformed},
		"version 0":                    {func(b []byte) []byte { b[0] = 0x03; return b }, malformed},
		"version 2":                    {func(b []byte) []byte { b[0] = 0x43; return b }, malformed},
		"length below 24":              {func(b []byte) []byte { b[3] = 23; return b }, malformed},
		"length beyond the payload":    {func(b []byte) []byte { b[3] = 25; return b }, malformed},
		"payload beyond the length":    {func(b []byte) []byte { return append(b, 1, 2, 3) }, keep},
		"multiplier 0":                 {func(b []byte) []byte { b[2] = 0; return b }, malformed},
		"multipoint":                   {func(b []byte) []byte { b[1] |= 0x01; return b }, malformed},
		"my discriminator 0":           {func(b []byte) []byte { b[7] = 0; return b }, malformed},
		"your discriminator 0, Up":     {func(b []byte) []byte { b[11] = 0; return b }, malformed},
		"your discriminator 0, Init":   {func(b []byte) []byte { b[1], b[11] = 0x80, 0; return b }, malformed},
		"your discriminator 0, Down":   {func(b []byte) []byte { b[1], b[11] = 0x40, 0; return b }, keep},
		"your discriminator 0, Admin":  {func(b []byte) []byte { b[1], b[11] = 0x00, 0; return b }, keep},
		"authenticated, no room":       {func(b []byte) []byte { b[1] |= 0x04; return b }, malformed},
		"authenticated":                {func(b []byte) []byte { b[1] |= 0x04; b[3] = 26; return append(b, 1, 2) }, keep},
		"authenticated, length beyond": {func(b []byte) []byte { b[1] |= 0x04; b[3] = 27; return append(b, 1, 2) }, malformed},
		"poll and final":               {func(b []byte) []byte { b[1] |= 0x10; return b }, keep},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, got := parseControl(tc.change(unhex(t, goldenHex))); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// FuzzControl: no payload makes the parser fail, and what it accepts survives a
// round trip.
func FuzzControl(f *testing.F) {
	f.Add(unhex(f, goldenHex))
	f.Add(unhex(f, "20 40 03 18  00 00 00 01  00 00 00 00  00 0f 42 40  00 04 93 e0  00 00 00 00"))
	f.Add(unhex(f, "20 c4 03 1a  00 00 00 01  00 00 00 02  00 0f 42 40  00 04 93 e0  00 00 00 00 01 02"))
	f.Add(unhex(f, "3f ff ff ff  ff ff ff ff  ff ff ff ff  ff ff ff ff  ff ff ff ff  ff ff ff ff"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, why := parseControl(b)
		if why != keep || c.auth {
			return
		}
		again := c.append(nil)
		if want := append([]byte{b[0], b[1], b[2], controlLen}, b[4:controlLen]...); !bytes.Equal(want, again) {
			t.Errorf("% x became % x", b, again)
		}
	})
}

// FuzzReceive: nothing that arrives stops the engine, or takes a session down
// that does not know the discriminator.
func FuzzReceive(f *testing.F) {
	f.Add(unhex(f, goldenHex), uint8(255), false)
	f.Add(unhex(f, "20 c0 03 18  00 00 00 09  00 00 00 01  00 04 93 e0  00 04 93 e0  00 00 00 00"), uint8(255), false)
	f.Add(unhex(f, "20 40 03 18  00 00 00 09  00 00 00 00  00 04 93 e0  00 04 93 e0  00 00 00 00"), uint8(254), true)
	f.Fuzz(func(t *testing.T, b []byte, ttl uint8, fromPeer bool) {
		l, s := newUpLoop(t)
		p := Packet{Source: router6, Destination: node4, Interface: 2, TTL: ttl, Payload: b}
		if fromPeer {
			p.Source = router4
		}
		now := s.since.Add(time.Second)
		why := l.receive(s.port(), &p, now)
		c, _ := parseControl(b)
		if s.state != Up && (c.yours != s.discr && !fromPeer || ttl != 255 || why != keep) {
			t.Errorf("% x took the session down", b)
		}
		l.turn(now)
		if at, ok := l.wake(); ok && at.Before(now) && !l.overdue(now) {
			t.Errorf("% x leaves something to do for ever", b)
		}
	})
}
