//go:build linux

package unnumbered

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mdlayher/ndp"
)

// encoded returns a message of ours as it is on the wire.
func encoded(tb testing.TB, kind Kind, mac [6]byte) []byte {
	tb.Helper()
	b, err := ndp.MarshalMessage(compose(kind, mac))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// TestCompose checks what is promised to every host on the link: nothing.
func TestCompose(t *testing.T) {
	t.Parallel()
	mac := [6]byte{2, 0, 0, 0, 0, 1}
	for name, tt := range map[string]struct{ got, want []byte }{
		"advertisement": {
			encoded(t, Advertisement, mac),
			append(append([]byte{134}, make([]byte, 15)...), 1, 1, 2, 0, 0, 0, 0, 1),
		},
		"solicitation":               {encoded(t, Solicitation, mac), []byte{133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1}},
		"advertisement without MAC":  {encoded(t, Advertisement, [6]byte{}), append([]byte{134}, make([]byte, 15)...)},
		"solicitation without a MAC": {encoded(t, Solicitation, [6]byte{}), append([]byte{133}, make([]byte, 7)...)},
	} {
		if !bytes.Equal(tt.got, tt.want) {
			t.Errorf("%s: %x, not %x", name, tt.got, tt.want)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	advertisement, solicitation := append([]byte{134}, make([]byte, 15)...), append([]byte{133}, make([]byte, 7)...)
	with := func(b []byte, options ...byte) []byte { return append(bytes.Clone(b), options...) }
	strange := with(advertisement, 200, 1, 1, 2, 3, 4, 5, 6) // an option that nobody knows
	coded := bytes.Clone(advertisement)
	coded[1] = 1
	for name, tt := range map[string]struct {
		b        []byte
		from     netip.Addr
		hopLimit int
		want     *Heard
	}{
		"advertisement":                {advertisement, tor1, 255, &Heard{Advertisement, tor1}},
		"solicitation":                 {solicitation, tor1, 255, &Heard{Solicitation, tor1}},
		"solicitation without address": {solicitation, netip.IPv6Unspecified(), 255, &Heard{Solicitation, netip.IPv6Unspecified()}},
		"unknown option":               {strange, tor1, 255, &Heard{Advertisement, tor1}},
		"from afar":                    {advertisement, tor1, 254, nil},
		"not link-local":               {advertisement, netip.MustParseAddr("2001:db8::1"), 255, nil},
		"with a code":                  {coded, tor1, 255, nil},
		"short advertisement":          {advertisement[:15], tor1, 255, nil},
		"short solicitation":           {solicitation[:7], tor1, 255, nil},
		"nothing":                      {nil, tor1, 255, nil},
		"half an option":               {with(advertisement, 1), tor1, 255, nil},
		"option of length 0":           {with(advertisement, 1, 0, 0, 0, 0, 0, 0, 0), tor1, 255, nil},
		"option cut":                   {with(advertisement, 1, 2, 0, 0, 0, 0, 0, 0), tor1, 255, nil},
		"neighbour advertisement":      {with([]byte{136}, make([]byte, 23)...), tor1, 255, nil},
	} {
		got, ok := parse(tt.b, tt.from, tt.hopLimit)
		if ok != (tt.want != nil) {
			t.Errorf("%s: taken: %t", name, ok)
		} else if ok {
			if diff := cmp.Diff(*tt.want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

// FuzzParse checks that what the library takes for a message is one here too; not
// the other way round, for the library reads options.
func FuzzParse(f *testing.F) {
	f.Add(encoded(f, Advertisement, [6]byte{2, 0, 0, 0, 0, 1}))
	f.Add(encoded(f, Solicitation, [6]byte{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := parse(b, tor1, ndp.HopLimit)
		m, err := ndp.ParseMessage(b)
		if err != nil || b[1] != 0 {
			return
		}
		switch m.(type) {
		case *ndp.RouterAdvertisement:
			if !ok || got.Kind != Advertisement {
				t.Errorf("%x is an advertisement", b)
			}
		case *ndp.RouterSolicitation:
			if !ok || got.Kind != Solicitation {
				t.Errorf("%x is a solicitation", b)
			}
		default:
			if ok {
				t.Errorf("%x is %T", b, m)
			}
		}
	})
}
