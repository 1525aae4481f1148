package bfd

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTiming: what is in force after what was announced and confirmed (RFC 5880,
// 6.8.3). In words: announced -> in force, and whether a Poll Sequence runs.
func TestTiming(t *testing.T) {
	t.Parallel()
	const s = time.Second
	up := timing{desiredTx: 2 * s, requiredRx: 2 * s, activeTx: 2 * s, activeRx: 2 * s}
	for name, tc := range map[string]struct {
		do   func(t *timing)
		want timing
	}{
		"nothing changed":               {func(t *timing) { t.set(2*s, 2*s, true) }, up},
		"a Final that nobody asked for": {func(t *timing) { t.final() }, up},
		"while not up": {
			func(t *timing) { t.set(3*s, 1*s, false) },
			timing{desiredTx: 3 * s, requiredRx: 1 * s, activeTx: 3 * s, activeRx: 1 * s},
		},
		"up and safe": {
			func(t *timing) { t.set(1*s, 3*s, true) },
			timing{desiredTx: 1 * s, requiredRx: 3 * s, activeTx: 1 * s, activeRx: 3 * s, polling: true},
		},
		"up and not safe": {
			func(t *timing) { t.set(3*s, 1*s, true) },
			timing{desiredTx: 3 * s, requiredRx: 1 * s, activeTx: 2 * s, activeRx: 2 * s, polling: true},
		},
		"confirmed": {
			func(t *timing) { t.set(3*s, 1*s, true); t.final() },
			timing{desiredTx: 3 * s, requiredRx: 1 * s, activeTx: 3 * s, activeRx: 1 * s},
		},
		"changed again before that": {
			func(t *timing) { t.set(3*s, 1*s, true); t.set(4*s, 3*s, true); t.final() },
			timing{desiredTx: 4 * s, requiredRx: 3 * s, activeTx: 2 * s, activeRx: 3 * s, polling: true},
		},
		"and confirmed at last": {
			func(t *timing) { t.set(3*s, 1*s, true); t.set(4*s, 1*s, true); t.final(); t.final() },
			timing{desiredTx: 4 * s, requiredRx: 1 * s, activeTx: 4 * s, activeRx: 1 * s},
		},
		"down in the middle of it": {
			func(t *timing) { t.set(3*s, 1*s, true); t.set(3*s, 1*s, false) },
			timing{desiredTx: 3 * s, requiredRx: 1 * s, activeTx: 3 * s, activeRx: 1 * s},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := up
			tc.do(&got)
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(timing{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWatch: when silence means failure.
func TestWatch(t *testing.T) {
	t.Parallel()
	const limit, interval = 900 * ms, 300 * ms
	t0 := time.Unix(0, 0)
	for name, tc := range map[string]struct {
		looks []time.Duration // since the last packet
		want  []bool
	}{
		"in time":             {[]time.Duration{0, 899 * ms}, []bool{false, false}},
		"at the deadline":     {[]time.Duration{900 * ms}, []bool{true}},
		"a little late":       {[]time.Duration{975 * ms}, []bool{true}},
		"late, then punctual": {[]time.Duration{976 * ms, 1275 * ms, 1276 * ms}, []bool{false, false, true}},
		"late twice":          {[]time.Duration{5 * time.Second, 50 * time.Second}, []bool{false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := watch{heard: t0}
			var got []bool
			for _, at := range tc.looks {
				got = append(got, w.expired(limit, interval, t0.Add(at)))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if none := (watch{}); none.expired(limit, interval, t0) {
		t.Error("without a packet there is nothing to wait for")
	}
}

// TestDefaults of a profile, and the bounds that keep its arithmetic sound.
func TestDefaults(t *testing.T) {
	t.Parallel()
	want := Profile{
		ReceiveInterval: 300 * ms, TransmitInterval: 300 * ms, EchoInterval: 50 * ms,
		DetectMultiplier: 3, MinimumTTL: 254,
	}
	if diff := cmp.Diff(want, Profile{}.WithDefaults()); diff != "" {
		t.Error(diff)
	}
	set := Profile{
		ReceiveInterval: 1, TransmitInterval: 10 * ms, EchoInterval: 100 * time.Hour,
		DetectMultiplier: 255, Echo: true, Passive: true, MinimumTTL: 1,
	}
	want = set
	want.ReceiveInterval, want.EchoInterval = minInterval, maxInterval
	if diff := cmp.Diff(want, set.WithDefaults()); diff != "" {
		t.Error(diff)
	}
}
