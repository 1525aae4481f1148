package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/clarion-lb/clarion/bgp/bfd"
)

// newBFD returns the metrics of BFD sessions. The names are those of MetalLB's
// FRR mode, but for zebra_notifications: there is no zebra.
func newBFD(status func() bfd.Status) prometheus.Collector {
	type session = bfd.SessionStatus
	d := describer("bfd")
	return &sessions[session]{
		status: func() []session { return status().Sessions },
		peer:   func(s *session) string { return s.Peer.String() },
		up:     func(s *session) bool { return s.State == bfd.Up },
		upDesc: d.desc("session_up", "1 while the BFD session is up."),
		readings: []reading[session]{
			count(d.desc("control_packet_input", "Valid BFD control packets received."),
				func(s *session) uint64 { return s.ControlIn }),
			count(d.desc("control_packet_output", "BFD control packets sent."),
				func(s *session) uint64 { return s.ControlOut }),
			count(d.desc("echo_packet_input", "BFD echo packets that came back."),
				func(s *session) uint64 { return s.EchoIn }),
			count(d.desc("echo_packet_output", "BFD echo packets sent."),
				func(s *session) uint64 { return s.EchoOut }),
			count(d.desc("session_up_events", "Times the BFD session came up."),
				func(s *session) uint64 { return s.Ups }),
			count(d.desc("session_down_events", "Times the BFD session went down, for whatever reason."),
				func(s *session) uint64 { return s.Downs }),
		},
	}
}
