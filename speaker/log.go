package speaker

import (
	"context"
	"log/slog"

	"github.com/clarion-lb/clarion/speaker/announce"
)

// log says once what an operator cares about: that this node began to announce
// an address, ceased to, or should and cannot.
func (s *Speaker) log(ctx context.Context, revision announce.Revision) {
	for i := range revision.Gone {
		if v := &revision.Gone[i]; v.Announced() {
			s.say(ctx, slog.LevelInfo, "withdrawn", &announce.Verdict{Key: v.Key, Reason: announce.AddressGone})
		}
	}
	for i := range revision.Changed {
		c := &revision.Changed[i]
		switch {
		case c.Reason == c.Before: // only its detail, owner or interfaces differ
		case c.Reason == announce.Announced:
			s.say(ctx, slog.LevelInfo, "announcing", &c.Verdict)
		case c.Reason == announce.NoInterface || c.Reason == announce.ConflictingAdvertisements || c.Reason == announce.AddressConflict:
			s.say(ctx, slog.LevelWarn, "cannot announce", &c.Verdict)
		case c.Before == announce.Announced:
			s.say(ctx, slog.LevelInfo, "withdrawn", &c.Verdict)
		case c.Quiet:
		default:
			s.say(ctx, slog.LevelDebug, "not announcing", &c.Verdict)
		}
	}
}

// say logs a verdict in the order of a sentence.
func (s *Speaker) say(ctx context.Context, level slog.Level, message string, v *announce.Verdict) {
	if !s.options.Log.Enabled(ctx, level) {
		return // thousands of verdicts may not be worth a word
	}
	attrs := []slog.Attr{slog.String("service", v.Service.String())}
	if v.Addr.IsValid() {
		attrs = append(attrs, slog.String("address", v.Addr.String()))
	}
	attrs = append(attrs, slog.String("protocol", string(v.Protocol)), slog.String("reason", string(v.Reason)))
	if v.Detail != "" {
		attrs = append(attrs, slog.String("detail", v.Detail))
	}
	if v.Owner != "" && v.Owner != s.options.Node {
		attrs = append(attrs, slog.String("owner", v.Owner))
	}
	if len(v.Interfaces) > 0 {
		attrs = append(attrs, slog.Any("interfaces", v.Interfaces))
	}
	if len(v.Peers) > 0 {
		attrs = append(attrs, slog.Any("peers", v.Peers))
	}
	s.options.Log.LogAttrs(ctx, level, message, attrs...) //nolint:sloglint // every caller passes a constant
}
