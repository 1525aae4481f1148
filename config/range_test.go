package config_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go4.org/netipx"

	"github.com/clarion-lb/clarion/config"
)

func TestParseRange(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name, text, want string
	}{
		{"CIDR", "192.0.2.0/24", "192.0.2.0-192.0.2.255"},
		{"CIDR of one address", "192.0.2.7/32", "192.0.2.7-192.0.2.7"},
		{"host bits of a CIDR are masked", "192.0.2.77/24", "192.0.2.0-192.0.2.255"},
		{"everything", "0.0.0.0/0", "0.0.0.0-255.255.255.255"},
		{"loopback is as good as any", "127.0.0.0/8", "127.0.0.0-127.255.255.255"},
		{"multicast is as good as any", "224.0.0.0/4", "224.0.0.0-239.255.255.255"},
		{"IPv6 CIDR", "2001:db8::/126", "2001:db8::-2001:db8::3"},
		{"IPv6 CIDR with host bits, in capitals", "2001:DB8::5/64", "2001:db8::-2001:db8::ffff:ffff:ffff:ffff"},
		{"IPv4-mapped CIDR means IPv4", "::ffff:192.0.2.0/120", "192.0.2.0-192.0.2.255"},
		{"IPv4-mapped CIDR of one address", "::ffff:192.0.2.1/128", "192.0.2.1-192.0.2.1"},

		{"range", "198.51.100.10-198.51.100.15", "198.51.100.10-198.51.100.15"},
		{"range of one address", "198.51.100.10-198.51.100.10", "198.51.100.10-198.51.100.10"},
		{"range across octets", "192.0.2.250-192.0.3.5", "192.0.2.250-192.0.3.5"},
		{"blanks around the ends of a range", "  198.51.100.10 \t- 198.51.100.15 ", "198.51.100.10-198.51.100.15"},
		{"IPv6 range", "2001:db8::10-2001:db8::1f", "2001:db8::10-2001:db8::1f"},
		{"IPv4-mapped ends mean IPv4", "::ffff:192.0.2.1-192.0.2.9", "192.0.2.1-192.0.2.9"},

		{"empty", "", `is neither a CIDR such as 192.0.2.0/24 nor a range such as 192.0.2.10-192.0.2.20`},
		{"words", "all of them", `is neither a CIDR such as 192.0.2.0/24 nor a range such as 192.0.2.10-192.0.2.20`},
		{"blank before a CIDR", " 192.0.2.0/24", `is neither a CIDR such as 192.0.2.0/24 nor a range such as 192.0.2.10-192.0.2.20`},
		{"blank after a CIDR", "192.0.2.0/24 ", `is neither a CIDR such as 192.0.2.0/24 nor a range such as 192.0.2.10-192.0.2.20`},
		{"prefix longer than the address", "192.0.2.0/33", `is neither a CIDR such as 192.0.2.0/24 nor a range such as 192.0.2.10-192.0.2.20`},
		{"IPv6 prefix longer than the address", "2001:db8::/129", `is neither a CIDR such as 192.0.2.0/24 nor a range such as 192.0.2.10-192.0.2.20`},
		{"negative prefix length is a range to nowhere", "192.0.2.0/-1", `"192.0.2.0/" is not an IP address`},
		{"leading zero in an octet", "192.0.02.0/24", `is neither a CIDR such as 192.0.2.0/24 nor a range such as 192.0.2.10-192.0.2.20`},
		{"leading zero in the prefix length", "192.0.2.0/024", `is neither a CIDR such as 192.0.2.0/24 nor a range such as 192.0.2.10-192.0.2.20`},
		{"octet too large", "192.0.256.0/24", `is neither a CIDR such as 192.0.2.0/24 nor a range such as 192.0.2.10-192.0.2.20`},
		{"CIDR with a zone", "fe80::%eth0/64", `is neither a CIDR such as 192.0.2.0/24 nor a range such as 192.0.2.10-192.0.2.20`},
		{"IPv4-mapped CIDR wider than IPv4", "::ffff:0.0.0.0/95", `an IPv4-mapped prefix must be /96 or longer`},
		{"bare address", "192.0.2.1", `has no prefix length: write 192.0.2.1/32 for this one address`},
		{"bare IPv6 address", "2001:db8::1", `has no prefix length: write 2001:db8::1/128 for this one address`},

		{"range backwards", "192.0.2.9-192.0.2.1", `the range ends before it starts`},
		{"IPv6 range backwards", "2001:db8::9-2001:db8::1", `the range ends before it starts`},
		{"range of two families", "192.0.2.1-2001:db8::1", `the range starts in IPv4 and ends in IPv6`},
		{"range of two families, the other way", "2001:db8::1-192.0.2.1", `the range starts in IPv6 and ends in IPv4`},
		{"range without end", "192.0.2.1-", `"" is not an IP address`},
		{"range without start", "-192.0.2.1", `"" is not an IP address`},
		{"range of three", "192.0.2.1-192.0.2.2-192.0.2.3", `"192.0.2.2-192.0.2.3" is not an IP address`},
		{"range of CIDRs", "192.0.2.0/25-192.0.2.128/25", `"192.0.2.0/25" is not an IP address`},
		{"shorthand range", "192.0.2.1-9", `"9" is not an IP address`},
		{"leading zero in a range", "192.0.2.01-192.0.2.9", `"192.0.2.01" is not an IP address`},
		{"range with zones", "fe80::1%eth0-fe80::2%eth0", `"fe80::1%eth0" is not an IP address`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			var got string
			if r, err := config.ParseRange(tt.text); err != nil {
				got = err.Error()
			} else {
				got = r.String()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseRange(%q) (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

// FuzzParseRange: whatever passes the door is one family, in order, and means
// the same when it is written down and read again.
func FuzzParseRange(f *testing.F) {
	for _, seed := range []string{
		"192.0.2.0/24", "192.0.2.77/0", "2001:db8::/64", "::/0", "::ffff:192.0.2.0/120", "::fffe:0:0/95",
		"198.51.100.10-198.51.100.15", " 2001:db8::1 - 2001:db8::2 ", "::ffff:1.2.3.4-::1", "1.2.3.4-::ffff:1.2.3.4",
		"", "-", "/", "1.2.3.4", "fe80::1%eth0-fe80::2%eth0", "1.2.3.4/-1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := config.ParseRange(text)
		if err != nil {
			if err.Error() == "" || r != (netipx.IPRange{}) {
				t.Errorf("ParseRange(%q) = %v, %q: want no range and a reason", text, r, err)
			}
			return
		}
		if !r.IsValid() || config.FamilyOf(r.From()) != config.FamilyOf(r.To()) || r.From().Zone() != "" {
			t.Fatalf("ParseRange(%q) = %v: want two ordered addresses of one family", text, r)
		}
		if r.To().Is4In6() || r.From().Is4In6() {
			return // ::fffe:0:0/95 ends in ::ffff:ffff:ffff, which would be read back as IPv4
		}
		again, err := config.ParseRange(r.String())
		if err != nil || again != r {
			t.Errorf("ParseRange(%q) = %v, and of that %v, %v", text, r, again, err)
		}
	})
}

func TestFamilyOf(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{"192.0.2.1": "IPv4", "2001:db8::1": "IPv6"} {
		if got := config.FamilyOf(netip.MustParseAddr(text)).String(); got != want {
			t.Errorf("FamilyOf(%s) = %s, want %s", text, got, want)
		}
	}
}
