package interop_test

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/clarion-lb/clarion/e2e/network"
	"github.com/clarion-lb/clarion/e2e/router"
	"github.com/clarion-lb/clarion/e2e/sandbox"

	"github.com/clarion-lb/clarion/e2e/interop"
)

func TestMain(m *testing.M) {
	if interop.Inside() {
		if err := interop.Serve(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1) //nolint:forbidigo // it is the main function of the tests
		}
		return
	}
	//nolint:forbidigo // likewise
	os.Exit(sandbox.Run(sandbox.Options{}, func(context.Context) int {
		flag.Parse()
		// Tests spend their time waiting for timers of protocols, not computing.
		if err := flag.Set("test.parallel", "6"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}))
}

// The cast. Every rig has the same addresses, and a switch of its own.
const (
	torAS  = 64500
	nodeAS = 64512

	torNumber    = 1
	tor2Number   = 3
	nodeNumber   = 11
	node2Number  = 12
	remoteNumber = 101
)

// v4 and v6 return the address of a host on the segment, farV4 and farV6 that of one behind the router.
func v4(number int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", number)) }

func v6(number int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("2001:db8:0:1::%d", number)) }

func farV4(number int) netip.Addr { return netip.MustParseAddr(fmt.Sprintf("198.51.100.%d", number)) }

func farV6(number int) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf("2001:db8:0:ff::%d", number))
}

// rig is a segment with hosts on it. Hosts are made when a test first asks for them.
type rig struct {
	t     *testing.T
	id    int64
	sw    *network.Switch
	wan   *network.Switch
	hosts map[int]*network.Host
}

// rigs counts the rigs made, so that names differ between tests that run at once.
var rigs atomic.Int64

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, id: rigs.Add(1), hosts: map[int]*network.Host{}}
	r.sw = r.newSwitch("sw")
	r.host(torNumber)
	return r
}

func (r *rig) name(role string) string { return fmt.Sprintf("%s-%d", role, r.id) }

func (r *rig) newSwitch(role string) *network.Switch {
	r.t.Helper()
	sw, err := network.NewSwitch(r.t.Context(), r.name(role))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(sw.Close)
	return sw
}

// host returns the host with a number. That of remoteNumber is behind the router, all others are on the segment.
func (r *rig) host(number int) *network.Host {
	r.t.Helper()
	if host, ok := r.hosts[number]; ok {
		return host
	}
	sw := r.sw
	options := network.HostOptions{
		Name: r.name(fmt.Sprintf("h%d", number)), MAC: net.HardwareAddr{0, 0, 0x5e, 0, 0x53, byte(number)}, Forward: true,
		Addresses: []netip.Prefix{netip.PrefixFrom(v4(number), 24), netip.PrefixFrom(v6(number), 64)},
	}
	switch number {
	case torNumber:
	case remoteNumber:
		r.wan = r.newSwitch("wan")
		if err := r.host(torNumber).Connect(r.wan, "eth1", farAddresses(torNumber)); err != nil {
			r.t.Fatal(err)
		}
		sw, options.Addresses, options.Gateways = r.wan, farAddresses(number), []netip.Addr{farV4(torNumber), farV6(torNumber)}
	default:
		options.Gateways = []netip.Addr{v4(torNumber), v6(torNumber)}
	}
	host, err := network.NewHost(sw, options)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(host.Close)
	r.hosts[number] = host
	return host
}

func farAddresses(number int) []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(farV4(number), 24), netip.PrefixFrom(farV6(number), 64)}
}

// speaker starts the engines on a node.
func (r *rig) speaker(number int, setup interop.Setup) *interop.Speaker {
	r.t.Helper()
	if setup.Node == "" {
		setup.Node = fmt.Sprintf("node-%d", number)
	}
	speaker, err := interop.StartSpeaker(r.host(number), setup, r.t.TempDir())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if r.t.Failed() {
			r.t.Logf("speaker on %s:\n%s", r.host(number).Name(), speaker.Log())
		}
		speaker.Kill()
	})
	return speaker
}

// frr starts FRR on a host.
func (r *rig) frr(number int, config string) *router.FRR {
	r.t.Helper()
	frr, err := router.StartFRR(r.t.Context(), r.host(number), config)
	if err != nil {
		r.t.Fatal(err)
	}
	r.clean(frr)
	return frr
}

// bird starts BIRD on a host.
func (r *rig) bird(number int, config string) *router.BIRD {
	r.t.Helper()
	bird, err := router.StartBIRD(r.t.Context(), r.host(number), config)
	if err != nil {
		r.t.Fatal(err)
	}
	r.clean(bird)
	return bird
}

func (r *rig) clean(one router.Router) {
	r.t.Cleanup(func() {
		if r.t.Failed() {
			r.t.Logf("%T:\n%s", one, one.Log())
		}
		one.Kill()
	})
}

// patience is how long a test waits for what takes a second or two on a machine that has nothing else to do.
const patience = 45 * time.Second

// eventually waits until what says nothing is wrong any more. What it says last is the test's failure.
func eventually(t *testing.T, wrong func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		says := wrong()
		if says == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %s", patience, says)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// never fails the test if something goes wrong within a time.
func never(t *testing.T, within time.Duration, wrong func() string) {
	t.Helper()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if says := wrong(); says != "" {
			t.Fatal(says)
		}
	}
}

// check fails the test at an error.
func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
