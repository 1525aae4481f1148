package members

import (
	"log/slog"
	"regexp"
	"strings"
	"sync"
)

// maxSaid bounds what strangers on the network can make the log say.
const maxSaid = 64

// port matches the port of an address, which is a different one with every
// connection of the same peer.
var port = regexp.MustCompile(`(\.\d+|\]):\d+`)

// voice turns memberlist's log lines into records. A problem is said once and
// then again only after the members or the keys have changed: memberlist would
// say with every packet that it cannot be decrypted.
type voice struct {
	node string
	log  *slog.Logger

	mu     sync.Mutex
	hushed bool
	said   map[string]bool
}

// Write takes one line: a timestamp, the level in brackets, "memberlist:" and
// the text. Some lines lack the level, and are about errors.
func (v *voice) Write(line []byte) (int, error) {
	const timestamp = len("2006/01/02 15:04:05 ")

	text := strings.TrimSpace(string(line[min(timestamp, len(line)):]))
	level := ""
	if rest, bracket := strings.CutPrefix(text, "["); bracket {
		level, text, _ = strings.Cut(rest, "] ")
	}
	text = strings.TrimPrefix(text, "memberlist: ")

	switch {
	case level == "DEBUG", level == "INFO", v.isRestart(text), isProbe(text), !v.first(text):
		v.log.Debug("memberlist reports", slog.String("text", text))
	default:
		v.log.Warn("memberlist reports a problem", slog.String("text", text))
	}

	return len(line), nil
}

// isRestart recognises what every member says that comes back under its name:
// the others remember it, and it has to outbid its former self.
func (v *voice) isRestart(text string) bool {
	return strings.HasPrefix(text, "Refuting an alive message") ||
		text == "Refuting a dead message (from: "+v.node+")"
}

// isProbe recognises a connection that was closed before a word was said: that
// is how others find out whether this node's kernel answers.
func isProbe(text string) bool {
	return strings.HasPrefix(text, "failed to receive and remove the stream label header: ") &&
		(strings.Contains(text, "EOF") || strings.Contains(text, "reset by peer"))
}

// first reports whether a problem has not been said yet.
func (v *voice) first(text string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()

	text = port.ReplaceAllString(text, "$1")
	if v.hushed || v.said[text] || len(v.said) >= maxSaid {
		return false
	}
	if v.said == nil {
		v.said = make(map[string]bool)
	}
	v.said[text] = true

	return true
}

// hush makes nothing worth saying any more: the sockets are being closed, and
// memberlist would complain about each.
func (v *voice) hush() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.hushed = true
}

// forget makes every problem worth saying again.
func (v *voice) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.said)
}
