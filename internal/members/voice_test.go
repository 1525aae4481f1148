package members

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVoice(t *testing.T) {
	t.Parallel()

	out := &logBuffer{}
	v := &voice{node: "n1", log: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}

			return a
		},
	}))}
	for _, line := range []string{
		"[DEBUG] memberlist: Stream connection from=192.0.2.2:40001",
		"[ERR] memberlist: Decrypt packet failed: no key from=192.0.2.2:40001",
		"[ERR] memberlist: Decrypt packet failed: no key from=192.0.2.2:40002",
		"[ERR] memberlist: Decrypt packet failed: no key from=192.0.2.3:40001",
		"[ERR] memberlist: Decrypt packet failed: no key from=[2001:db8::2]:40001",
		"[ERR] memberlist: Decrypt packet failed: no key from=[2001:db8::3]:40001",
		"[INFO] memberlist: Suspect n2 has failed, no acks received",
		"Err: Could not set the deadline: closed",
	} {
		write(t, v, line)
	}
	v.forget()
	write(t, v, "[WARN] memberlist: Decrypt packet failed: no key from=192.0.2.2:40003")
	write(t, v, "[WARN] memberlist: Refuting an alive message for 'n1'")
	write(t, v, "[WARN] memberlist: Refuting a dead message (from: n1)")
	write(t, v, "[WARN] memberlist: Refuting a dead message (from: n2)")
	write(t, v, "[ERR] memberlist: failed to receive and remove the stream label header: EOF from=192.0.2.2:40004")
	v.hush()
	write(t, v, "[ERR] memberlist: Failed to send gossip to 192.0.2.2:7946: use of closed network connection")

	want := strings.Join([]string{
		`level=DEBUG msg="memberlist reports" text="Stream connection from=192.0.2.2:40001"`,
		`level=WARN msg="memberlist reports a problem" text="Decrypt packet failed: no key from=192.0.2.2:40001"`,
		`level=DEBUG msg="memberlist reports" text="Decrypt packet failed: no key from=192.0.2.2:40002"`,
		`level=WARN msg="memberlist reports a problem" text="Decrypt packet failed: no key from=192.0.2.3:40001"`,
		`level=WARN msg="memberlist reports a problem" text="Decrypt packet failed: no key from=[2001:db8::2]:40001"`,
		`level=WARN msg="memberlist reports a problem" text="Decrypt packet failed: no key from=[2001:db8::3]:40001"`,
		`level=DEBUG msg="memberlist reports" text="Suspect n2 has failed, no acks received"`,
		`level=WARN msg="memberlist reports a problem" text="Err: Could not set the deadline: closed"`,
		`level=WARN msg="memberlist reports a problem" text="Decrypt packet failed: no key from=192.0.2.2:40003"`,
		`level=DEBUG msg="memberlist reports" text="Refuting an alive message for 'n1'"`,
		`level=DEBUG msg="memberlist reports" text="Refuting a dead message (from: n1)"`,
		`level=WARN msg="memberlist reports a problem" text="Refuting a dead message (from: n2)"`,
		`level=DEBUG msg="memberlist reports" text="failed to receive and remove the stream label header: EOF from=192.0.2.2:40004"`,
		`level=DEBUG msg="memberlist reports" text="Failed to send gossip to 192.0.2.2:7946: use of closed network connection"`,
		``,
	}, "\n")
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// TestVoiceIsBounded: strangers cannot fill the log, nor the memory behind it.
func TestVoiceIsBounded(t *testing.T) {
	t.Parallel()

	out := &logBuffer{}
	v := &voice{log: slog.New(slog.NewTextHandler(out, nil))}
	for i := range 10 * maxSaid {
		write(t, v, fmt.Sprintf("[ERR] memberlist: nonsense number %d", i))
	}
	if got := len(out.lines("level=WARN")); got != maxSaid || len(v.said) != maxSaid {
		t.Errorf("%d warnings and %d remembered, want %d of both", got, len(v.said), maxSaid)
	}
}

func write(t *testing.T, v *voice, line string) {
	t.Helper()
	if _, err := v.Write([]byte("2026/07/01 12:00:00 " + line + "\n")); err != nil {
		t.Fatal(err)
	}
}
