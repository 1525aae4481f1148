package link

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// crowded is a node with a thousand pods.
func crowded(b *testing.B) *table {
	b.Helper()

	t := newTable()
	for i := range 1000 {
		for _, m := range []message{
			linkMessage(i+2, fmt.Sprintf("veth%08x", i*2654435761), running),
			addressMessage(i+2, fmt.Sprintf("fe80::%x/64", i+1), 0),
		} {
			if _, err := t.apply(m); err != nil {
				b.Fatal(err)
			}
		}
	}
	t.links()

	return t
}

// BenchmarkEventWithoutFact is what a statistics update costs.
func BenchmarkEventWithoutFact(b *testing.B) {
	t := crowded(b)
	m := linkMessage(500, t.entries[500].dev.Name, running)
	b.ReportAllocs()
	for b.Loop() {
		if changed, err := t.apply(m); changed || err != nil {
			b.Fatal(changed, err)
		}
	}
}

// BenchmarkChange is what one changed fact among a thousand links costs, once
// per settling time.
func BenchmarkChange(b *testing.B) {
	t := crowded(b)
	name := t.entries[500].dev.Name
	up, down := linkMessage(500, name, running), linkMessage(500, name, unix.IFF_UP)
	b.ReportAllocs()
	for b.Loop() {
		for _, m := range []message{down, up} {
			if changed, err := t.apply(m); !changed || err != nil {
				b.Fatal(changed, err)
			}
			t.links()
		}
	}
}
