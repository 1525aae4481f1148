package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
)

// newLogger writes JSON lines to standard output, with the keys MetalLB uses.
func newLogger(level string) (*slog.Logger, error) {
	levels := map[string]slog.Level{
		"all": slog.LevelDebug, "debug": slog.LevelDebug, "info": slog.LevelInfo,
		"warn": slog.LevelWarn, "error": slog.LevelError, "none": slog.LevelError + 100,
	}
	least, ok := levels[level]
	if !ok {
		return nil, fmt.Errorf("--log-level: invalid value %q: must be all, debug, info, warn, error or none", level)
	}
	return slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{
		Level: least,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				a.Key = "ts"
			}
			if len(groups) == 0 && a.Key == slog.LevelKey {
				a.Value = slog.StringValue(strings.ToLower(a.Value.String()))
			}
			if a.Value.Kind() == slog.KindDuration {
				a.Value = slog.StringValue(a.Value.Duration().String()) // JSON would count nanoseconds
			}
			return a
		},
	})), nil
}

// library is the handler of the libraries underneath: what they call
// information is about themselves, and for debugging.
type library struct{ slog.Handler }

// Enabled implements slog.Handler.
func (l library) Enabled(ctx context.Context, level slog.Level) bool {
	return l.Handler.Enabled(ctx, demoted(level))
}

// Handle implements slog.Handler.
func (l library) Handle(ctx context.Context, r slog.Record) error {
	r.Level = demoted(r.Level)
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l library) WithAttrs(attrs []slog.Attr) slog.Handler {
	return library{l.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (l library) WithGroup(name string) slog.Handler { return library{l.Handler.WithGroup(name)} }

func demoted(level slog.Level) slog.Level {
	if level == slog.LevelInfo {
		return slog.LevelDebug
	}
	return level
}
