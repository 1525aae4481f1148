package members

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"
)

var (
	errMissing     = errors.New("missing")
	errNotDuration = errors.New(`not a duration such as "500ms"`)
)

// Tuning is the complete set of memberlist's timing, named as memberlist's
// Config and as the keys of /etc/metallb/memberlist/config.json.
type Tuning struct {
	TCPTimeout              time.Duration
	IndirectChecks          int
	RetransmitMult          int
	SuspicionMult           int
	SuspicionMaxTimeoutMult int
	PushPullInterval        time.Duration
	ProbeTimeout            time.Duration
	ProbeInterval           time.Duration
	DisableTCPPings         bool
	AwarenessMaxMultiplier  int
	GossipNodes             int
	GossipInterval          time.Duration
	GossipToTheDeadTime     time.Duration
	GossipVerifyIncoming    bool
	GossipVerifyOutgoing    bool
	EnableCompression       bool
	HandoffQueueDepth       int
	UDPBufferSize           int
	QueueCheckInterval      time.Duration
}

// setting is one key of the file and the field it fills.
type setting struct {
	key  string
	into any // *time.Duration, *int or *bool
	min  int64
}

// settings lists the keys with the least value that memberlist works with: 0
// switches a mechanism off where it can be switched off.
func (t *Tuning) settings() []setting {
	return []setting{
		{"TCPTimeout", &t.TCPTimeout, 1},
		{"IndirectChecks", &t.IndirectChecks, 0},
		{"RetransmitMult", &t.RetransmitMult, 1},
		{"SuspicionMult", &t.SuspicionMult, 1},
		{"SuspicionMaxTimeoutMult", &t.SuspicionMaxTimeoutMult, 1},
		{"PushPullInterval", &t.PushPullInterval, 0},
		{"ProbeTimeout", &t.ProbeTimeout, 1},
		{"ProbeInterval", &t.ProbeInterval, 1},
		{"DisableTcpPings", &t.DisableTCPPings, 0},
		{"AwarenessMaxMultiplier", &t.AwarenessMaxMultiplier, 1},
		{"GossipNodes", &t.GossipNodes, 0},
		{"GossipInterval", &t.GossipInterval, 0},
		{"GossipToTheDeadTime", &t.GossipToTheDeadTime, 0},
		{"GossipVerifyIncoming", &t.GossipVerifyIncoming, 0},
		{"GossipVerifyOutgoing", &t.GossipVerifyOutgoing, 0},
		{"EnableCompression", &t.EnableCompression, 0},
		{"HandoffQueueDepth", &t.HandoffQueueDepth, 1},
		{"UDPBufferSize", &t.UDPBufferSize, 1},
		{"QueueCheckInterval", &t.QueueCheckInterval, 1},
	}
}

// ParseTuning reads the tuning file. Every key must be there, durations as Go
// duration strings; other keys are ignored. The error names the first key that
// is missing or bad.
//
// MetalLB takes a missing number for 0 and a missing boolean for false, among
// them a queue without room (HandoffQueueDepth) and encryption that nobody
// checks (GossipVerifyIncoming). Here they are errors like missing durations.
func ParseTuning(file []byte) (Tuning, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(file, &values); err != nil {
		return Tuning{}, fmt.Errorf("members: failed to read the memberlist tuning: %w", err)
	}

	var t Tuning
	for _, s := range t.settings() {
		if err := s.read(values); err != nil {
			return Tuning{}, fmt.Errorf("members: failed to read the memberlist tuning: %s: %w", s.key, err)
		}
	}
	if err := t.validate(); err != nil {
		return Tuning{}, fmt.Errorf("members: failed to read the memberlist tuning: %w", err)
	}

	return t, nil
}

func (s setting) read(values map[string]json.RawMessage) error {
	value, there := values[s.key]
	for k, v := range values {
		if !there && strings.EqualFold(k, s.key) { // as encoding/json does
			value, there = v, true
		}
	}
	if !there || string(value) == "null" {
		return errMissing
	}

	into, isDuration := s.into.(*time.Duration)
	if !isDuration {
		return json.Unmarshal(value, s.into)
	}
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return fmt.Errorf("%s is %w", value, errNotDuration)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%s is %w", value, errNotDuration)
	}
	*into = d

	return nil
}

func (t *Tuning) validate() error {
	for _, s := range t.settings() {
		switch v := s.into.(type) {
		case *time.Duration:
			if int64(*v) < s.min {
				return fmt.Errorf("%s: %v is too short", s.key, *v)
			}
		case *int:
			if int64(*v) < s.min {
				return fmt.Errorf("%s: %d is less than %d", s.key, *v, s.min)
			}
		}
	}

	return nil
}

func (t *Tuning) apply(c *memberlist.Config) {
	c.TCPTimeout = t.TCPTimeout
	c.IndirectChecks = t.IndirectChecks
	c.RetransmitMult = t.RetransmitMult
	c.SuspicionMult = t.SuspicionMult
	c.SuspicionMaxTimeoutMult = t.SuspicionMaxTimeoutMult
	c.PushPullInterval = t.PushPullInterval
	c.ProbeTimeout = t.ProbeTimeout
	c.ProbeInterval = t.ProbeInterval
	c.DisableTcpPings = t.DisableTCPPings
	c.AwarenessMaxMultiplier = t.AwarenessMaxMultiplier
	c.GossipNodes = t.GossipNodes
	c.GossipInterval = t.GossipInterval
	c.GossipToTheDeadTime = t.GossipToTheDeadTime
	c.GossipVerifyIncoming = t.GossipVerifyIncoming
	c.GossipVerifyOutgoing = t.GossipVerifyOutgoing
	c.EnableCompression = t.EnableCompression
	c.HandoffQueueDepth = t.HandoffQueueDepth
	c.UDPBufferSize = t.UDPBufferSize
	c.QueueCheckInterval = t.QueueCheckInterval
}
