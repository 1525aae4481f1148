package bgp

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Config, Routes and Prefix compare by their own Equal or ==.
var values = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func route(s string, attributes *Attributes) Route {
	return Route{Prefix: prefix(s), Attributes: attributes}
}

// hosts returns n routes to single IPv4 addresses.
func hosts(n int, attributes *Attributes) []Route {
	out := make([]Route, 0, n)
	for i := range n {
		addr := netip.AddrFrom4([4]byte{198, 18 + byte(i>>16), byte(i >> 8), byte(i)})
		out = append(out, Route{Prefix: netip.PrefixFrom(addr, 32), Attributes: attributes})
	}
	return out
}

func sorted(r Routes) []Route {
	return slices.SortedFunc(r.All(), func(a, b Route) int { return a.Prefix.Compare(b.Prefix) })
}

func TestDiff(t *testing.T) {
	t.Parallel()
	plain := &Attributes{}
	tagged := &Attributes{Communities: []Community{NoExport}}
	four, six := route("198.51.100.1/32", plain), route("2001:db8::1/128", plain)
	all := Routes{}.Edit([]Route{four, six}, nil)

	for name, test := range map[string]struct {
		current, desired Routes
		want             Changes
	}{
		"nothing to nothing": {},
		"first routes":       {desired: all, want: Changes{Announce: []Route{four, six}}},
		"all gone":           {current: all, want: Changes{Withdraw: []netip.Prefix{four.Prefix, six.Prefix}}},
		"the same":           {current: all, desired: all},
		"equal, made apart":  {current: all, desired: Routes{}.Edit([]Route{six, four}, nil)},
		"nil attributes are none": {
			current: all, desired: all.Edit([]Route{{Prefix: four.Prefix}}, nil),
		},
		"attributes change": {
			current: all, desired: all.Edit([]Route{route("198.51.100.1/32", tagged)}, nil),
			want: Changes{Announce: []Route{route("198.51.100.1/32", tagged)}},
		},
		"same address, another length": {
			current: all, desired: all.Edit([]Route{route("198.51.100.1/31", plain)}, []netip.Prefix{four.Prefix}),
			want: Changes{Announce: []Route{route("198.51.100.1/31", plain)}, Withdraw: []netip.Prefix{four.Prefix}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, Diff(test.current, test.desired), values); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if got, want := test.current.Equal(test.desired), len(test.want.Announce)+len(test.want.Withdraw) == 0; got != want {
				t.Errorf("Equal is %t, want %t", got, want)
			}
		})
	}
}

func TestEdit(t *testing.T) {
	t.Parallel()
	tagged := &Attributes{Communities: []Community{NoExport}}
	first := Routes{}.Edit(hosts(3, nil), nil)

	both := first.Edit([]Route{route("198.18.0.1/32", tagged)}, []netip.Prefix{prefix("198.18.0.1/32")})
	if got, ok := both.Get(prefix("198.18.0.1/32")); !ok || got.Attributes != tagged || both.Len() != 3 {
		t.Errorf("set and removed at once: got %v, %t among %d, want it set", got, ok, both.Len())
	}
	if got, ok := first.Get(prefix("198.18.0.1/32")); !ok || got.Attributes != nil {
		t.Errorf("an edit changed the set it began with: %v, %t", got, ok)
	}
	if again := first.Edit(hosts(3, &Attributes{}), []netip.Prefix{prefix("192.0.2.0/24")}); again != first {
		t.Error("an edit without effect made another set")
	}
	if empty := first.Edit(nil, []netip.Prefix{prefix("198.18.0.0/32"), prefix("198.18.0.1/32"), prefix("198.18.0.2/32")}); empty != (Routes{}) {
		t.Errorf("a set without routes is not the zero value but %v", empty)
	}
	twice := Routes{}.Edit([]Route{route("2001:db8::/64", nil), route("2001:db8::/64", tagged)}, nil)
	if got, _ := twice.Get(prefix("2001:db8::/64")); got.Attributes != tagged || twice.Len() != 1 {
		t.Errorf("of two routes to one destination got %v among %d, want the last one alone", got, twice.Len())
	}
}

// Whatever the edits, a set holds what a map would, and Diff applied to one set
// gives the other.
func FuzzDiff(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add([]byte{1, 2, 3}, []byte{1, 2, 3})
	f.Add([]byte{1, 2, 3, 130, 131, 5}, []byte{65, 130, 7, 9})
	f.Add([]byte("a long list of letters, some of them twice"), []byte("another one"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		model := make(map[netip.Prefix]Route)
		current := edit(Routes{}, model, first)
		check(t, current, model)
		desired := edit(current, model, second)
		check(t, desired, model)

		for _, from := range []Routes{current, {}} {
			c := Diff(from, desired)
			if got := from.Edit(c.Announce, c.Withdraw); !got.Equal(desired) {
				t.Errorf("changes applied (-want +got):\n%s", cmp.Diff(sorted(desired), sorted(got), values))
			}
			if !slices.IsSortedFunc(c.Announce, func(a, b Route) int { return a.Prefix.Compare(b.Prefix) }) ||
				!slices.IsSortedFunc(c.Withdraw, netip.Prefix.Compare) {
				t.Errorf("changes are not sorted: %v", c)
			}
		}
	})
}

// edit does to a set and to a map what each octet says: the upper bits choose
// between set, remove and the attributes, the lower the prefix.
func edit(r Routes, model map[netip.Prefix]Route, octets []byte) Routes {
	var set []Route
	var remove []netip.Prefix
	for _, o := range octets {
		p := prefix(fmt.Sprintf("198.51.100.%d/32", o&0x1F))
		if o&0x20 != 0 {
			p = prefix(fmt.Sprintf("2001:db8::%d/128", o&0x1F))
		}
		if o&0xC0 == 0xC0 {
			remove = append(remove, p)
			continue
		}
		set = append(set, Route{Prefix: p, Attributes: &Attributes{LocalPref: uint32(o >> 6)}})
	}
	for _, p := range remove {
		delete(model, p)
	}
	for _, route := range set {
		model[route.Prefix] = route
	}
	return r.Edit(set, remove)
}

func check(t *testing.T, r Routes, model map[netip.Prefix]Route) {
	t.Helper()
	want := slices.SortedFunc(maps.Values(model), func(a, b Route) int { return a.Prefix.Compare(b.Prefix) })
	if diff := cmp.Diff(want, sorted(r), values); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
	four, six := r.lenOf(Families{IPv4: true}), r.lenOf(Families{IPv6: true})
	if r.Len() != len(model) || four+six != len(model) {
		t.Errorf("counts %d, of them %d IPv4 and %d IPv6, want %d", r.Len(), four, six, len(model))
	}
}

func BenchmarkEdit(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("1_of_%d", n), func(b *testing.B) {
			routes := Routes{}.Edit(hosts(n, nil), nil)
			attributes := []*Attributes{{LocalPref: 1}, {LocalPref: 2}}
			one := hosts(n, nil)[n/2:][:1]
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				one[0].Attributes = attributes[i%2]
				routes = routes.Edit(one, nil)
			}
		})
		b.Run(fmt.Sprintf("all_%d", n), func(b *testing.B) {
			all := hosts(n, nil)
			b.ReportAllocs()
			for b.Loop() {
				Routes{}.Edit(all, nil)
			}
		})
	}
}

func BenchmarkDiff(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		routes := Routes{}.Edit(hosts(n, nil), nil)
		edited := routes.Edit(nil, []netip.Prefix{prefix("198.18.0.7/32")})
		b.Run(fmt.Sprintf("1_of_%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Diff(routes, edited)
			}
		})
		b.Run(fmt.Sprintf("all_%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Diff(Routes{}, routes)
			}
		})
	}
}
