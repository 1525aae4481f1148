package heartbeat

import "fmt"

// Standing is what the speakers hold of a node.
type Standing uint8

const (
	// Up means that nothing is known against it.
	Up Standing = iota
	// Recovering means that it was down, is heard again, and has not been so for
	// long enough to be relied upon where there is anybody else.
	Recovering
	// NodeDown means that neither its speaker nor its kernel is heard.
	NodeDown
	// SpeakerDown means that its kernel answers and its speaker has been silent for
	// longer than the grace period.
	SpeakerDown
	// Leaving means that it has said itself that it goes.
	Leaving

	last = Leaving
)

// present reports whether a node in that standing takes part in watching.
func (s Standing) present() bool { return s == Up || s == Recovering }

// String returns the standing as logs and metrics write it.
func (s Standing) String() string {
	switch s {
	case Up:
		return "up"
	case Recovering:
		return "recovering"
	case NodeDown:
		return "nodeDown"
	case SpeakerDown:
		return "speakerDown"
	case Leaving:
		return "leaving"
	default:
		return fmt.Sprintf("standing %d", uint8(s))
	}
}

// verdict is what is held of one node. Its zero value is a node of which
// nothing was ever said.
type verdict struct {
	// number counts the verdicts on this node.
	number   uint32
	standing Standing
}

// beats reports whether v stands against o: the later one, and of two that were
// given at once the one against the node.
func (v verdict) beats(o verdict) bool {
	if v.number != o.number {
		return v.number > o.number
	}
	return v.standing > o.standing
}

// next returns the verdict that follows v.
func (v verdict) next(s Standing) verdict {
	return verdict{number: v.number + 1, standing: s}
}
