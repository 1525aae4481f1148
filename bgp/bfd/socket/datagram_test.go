//go:build linux

package socket

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDatagramOnTheWire pins both headers byte by byte. Their checksums are also
// proved by the kernels that forward them in TestEcho.
func TestDatagramOnTheWire(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"192.0.2.1":   "45c0001f" + "00074000" + "ff11f703" + "c0000201" + "c0000201" + "0ec90ec9" + "000bXXXX" + "010203",
		"2001:db8::1": "6c000000" + "000b11ff" + "20010db8000000000000000000000001" + "20010db8000000000000000000000001" + "0ec90ec9" + "000bXXXX" + "010203",
	} {
		b := appendDatagram(nil, netip.MustParseAddr(addr), 7, []byte{1, 2, 3})
		got := []byte(hex.EncodeToString(b))
		copy(got[len(got)-10:], "XXXX")
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Error(diff)
		}
		d, ok := parseDatagram(b)
		if !ok || d.destination.String() != addr || d.source != d.destination || d.port != echoPort || d.ttl != 255 || string(d.payload) != "\x01\x02\x03" {
			t.Errorf("read back as %+v", d)
		}
	}
}

// FuzzDatagram: whatever passes the filter can be parsed, and what we send is.
func FuzzDatagram(f *testing.F) {
	f.Add(appendDatagram(nil, netip.MustParseAddr("192.0.2.1"), 7, []byte{1, 2, 3}))
	f.Add(appendDatagram(nil, netip.MustParseAddr("2001:db8::1"), 7, []byte{1, 2, 3, 4}))
	f.Add([]byte{0x45})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		d, ok := parseDatagram(b)
		if ok && (len(d.payload) > len(b) || !d.source.IsValid() || !d.destination.IsValid()) {
			t.Errorf("% x: %+v", b, d)
		}
	})
}
