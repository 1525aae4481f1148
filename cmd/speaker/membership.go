package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/clarion-lb/clarion/cmd/internal/cli"
	"github.com/clarion-lb/clarion/internal/heartbeat"
	"github.com/clarion-lb/clarion/internal/members"
)

// tuningFile is where ConfigMap metallb-memberlist-config is mounted, if it is.
const tuningFile = "/etc/metallb/memberlist/config.json"

// membershipFlags say how the speakers find each other.
type membershipFlags struct {
	addr, port, labels, keyDir string
	wan                        bool
	beats                      heartbeatFlags
}

func (m *membershipFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&m.addr, "ml-bindaddr", os.Getenv("METALLB_ML_BIND_ADDR"), "address on which the speakers find out who is alive (env METALLB_ML_BIND_ADDR); empty: every node counts as alive")
	f.StringVar(&m.port, "ml-bindport", cmp.Or(os.Getenv("METALLB_ML_BIND_PORT"), "7946"), "TCP and UDP port for the same (env METALLB_ML_BIND_PORT)")
	f.StringVar(&m.labels, "ml-labels", os.Getenv("METALLB_ML_LABELS"), "labels of the speakers' pods, k=v,k=v (env METALLB_ML_LABELS); empty: every node counts as alive")
	f.StringVar(&m.keyDir, "ml-secret-key-path", os.Getenv("METALLB_ML_SECRET_KEY_PATH"), "directory with the file secretkey that encrypts it, followed as it changes (env METALLB_ML_SECRET_KEY_PATH)")
	f.BoolVar(&m.wan, "ml-wan-config", false, "slower timing, for nodes far from each other")
	m.beats.register(cmd)
}

// on reports whether the speakers find out who is alive at all.
func (m *membershipFlags) on() bool { return m.addr != "" && m.labels != "" }

// peers is the membership of this node, or its absence.
type peers struct {
	labels labels.Set // nil when membership is off
	port   uint16
	node   string
	list   *members.List
	keys   *keyring
	beats  *heartbeat.Monitor // nil when heartbeats are off
}

// open makes the membership that the flags ask for, and starts nothing.
func (m *membershipFlags) open(node string, log *slog.Logger) (*peers, error) {
	p := &peers{node: node}
	if !m.on() {
		return p, nil
	}
	addr, err := netip.ParseAddr(m.addr)
	if err != nil {
		return nil, fmt.Errorf("--ml-bindaddr: invalid value %q: must be an IP address", m.addr)
	}
	port, err := strconv.ParseUint(m.port, 10, 16)
	if err != nil || port == 0 {
		return nil, fmt.Errorf("--ml-bindport: invalid value %q: must be a port number", m.port)
	}
	p.port = uint16(port)
	if p.labels, err = labels.ConvertSelectorToLabelsMap(m.labels); err != nil {
		return nil, fmt.Errorf("--ml-labels: invalid value %q: %w", m.labels, err)
	}
	if p.keys, err = newKeyring(m.keyDir, log); err != nil {
		return nil, err
	}
	o := members.Options{
		Node: node, BindAddr: netip.AddrPortFrom(addr, p.port), WAN: m.wan,
		Key: p.keys.content(), Log: log,
	}
	if err := readTuning(&o); err != nil {
		return nil, err
	}
	if err := m.beats.join(p, &o); err != nil {
		return nil, err
	}
	p.list, err = members.New(o)
	return p, err
}

// readTuning reads the timing that replaces the default, if there is a file.
func readTuning(o *members.Options) error {
	text, err := cli.ReadOptional(tuningFile)
	if err != nil || text == nil {
		return err
	}
	t, err := members.ParseTuning(text)
	if err != nil {
		return fmt.Errorf("%s: %w", tuningFile, err)
	}
	o.Tuning = &t
	return nil
}

// set tells where the other speakers are.
func (p *peers) set(addrs []netip.Addr) {
	all := make([]netip.AddrPort, len(addrs))
	for i, a := range addrs {
		all[i] = netip.AddrPortFrom(a, p.port)
	}
	p.list.SetPeers(all)
}
