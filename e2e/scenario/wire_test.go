//nolint:paralleltest // all tests share one lab
package scenario_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/e2e/frames"
)

// ask has the client ask the segment who has an address, and returns the hosts
// that answered within half a second, one entry per answer.
func ask(t *testing.T, addr netip.Addr) []string {
	t.Helper()
	sender, err := frames.NewSender(cluster.Client())
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close() //nolint:errcheck // nothing is sent any more
	var answers []string
	for _, r := range watch(t, func() {
		if err := sender.Ask(addr); err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
	}) {
		if claimed, ok := r.Claim(); ok && claimed == addr && !r.Gratuitous() {
			answers = append(answers, r.Port)
		}
	}
	return answers
}

// watch returns the neighbour frames of the segment while do runs.
func watch(t *testing.T, do func()) []frames.Record {
	t.Helper()
	capture, err := frames.Watch(cluster.Switch())
	if err != nil {
		t.Fatal(err)
	}
	do()
	records, err := capture.Stop()
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// malformed are frames about an address: the question as it should be, spoilt
// in one way each. None deserves an answer.
func malformed(good []byte, v6 bool) map[string][]byte {
	spoil := func(change func([]byte) []byte) []byte { return change(append([]byte(nil), good...)) }
	set := func(at int, value byte) []byte {
		return spoil(func(f []byte) []byte { f[at] = value; return f })
	}
	bad := map[string][]byte{
		"only an Ethernet header": good[:14],
		"cut in half":             good[:len(good)/2],
		"one octet short":         good[:len(good)-1],
	}
	if v6 {
		bad["hop limit 64"] = set(14+7, 64)
		bad["checksum wrong"] = set(14+40+2, good[14+40+2]^1)
		bad["code 1"] = set(14+40+1, 1)
		bad["option of length 0"] = set(14+40+25, 0)
		bad["next header is a fragment"] = set(14+6, 44)
		return bad
	}
	bad["hardware type 6"] = set(14+1, 6)
	bad["protocol type IPX"] = set(14+3, 0x37)
	bad["hardware length 0"] = set(14+4, 0)
	bad["protocol length 16"] = set(14+5, 16)
	bad["operation 0"] = set(14+7, 0)
	bad["operation reply"] = set(14+7, 2)
	bad["VLAN 5"] = spoil(func(f []byte) []byte {
		return append(append(append([]byte(nil), f[:12]...), 0x81, 0x00, 0x00, 0x05), f[12:]...)
	})
	return bad
}

// TestMalformedFramesAreNotAnswered holds that no frame crashes a speaker, or
// elicits an answer that it does not deserve.
func TestMalformedFramesAreNotAnswered(t *testing.T) {
	_, addrs := dualWeb(t, 3)
	sender, err := frames.NewSender(cluster.Client())
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close() //nolint:errcheck // nothing is sent any more
	restarts := speakerRestarts(t)
	for _, addr := range addrs {
		for name, frame := range malformed(sender.Question(addr), addr.Is6()) {
			records := watch(t, func() {
				for range 20 {
					if err := sender.Send(frame); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(100 * time.Millisecond)
			})
			for _, r := range records {
				if claimed, ok := r.Claim(); ok && claimed == addr && !r.Gratuitous() && strings.HasPrefix(r.Port, "node-") {
					t.Errorf("%s: %s elicited: %s", addr, name, r)
					break
				}
			}
		}
		if answers := ask(t, addr); len(answers) != 1 {
			t.Errorf("after all that %s is answered by %v, want one node", addr, answers)
		}
	}
	if now := speakerRestarts(t); now != restarts {
		t.Errorf("speakers restarted %d times meanwhile", now-restarts)
	}
}

// speakerRestarts counts how often containers of speakers have restarted.
func speakerRestarts(t *testing.T) int32 {
	t.Helper()
	var n int32
	for _, pod := range productPods(context.Background(), t) {
		if pod.Labels["component"] != "speaker" {
			continue
		}
		for _, c := range pod.Status.ContainerStatuses {
			n += c.RestartCount
		}
	}
	return n
}
