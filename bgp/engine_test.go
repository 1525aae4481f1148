package bgp

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestEngineErrors(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{}); err == nil || err.Error() != "bgp: failed to make an engine: no wire to speak on" {
		t.Errorf("without a wire: %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		l.end(nil)
		if err := l.engine.Run(t.Context()); err == nil || err.Error() != "bgp: failed to run the engine: it has run before" {
			t.Errorf("run twice: %v", err)
		}
	})
}

// An engine may be told everything before it runs and after it has ended.
func TestEngineBeforeAndAfterRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		l.end(nil)
		r := l.router("192.0.2.1")
		engine, err := New(Options{Wire: l})
		if err != nil {
			t.Fatal(err)
		}
		use := func() {
			engine.Set(Config{Peers: []Peer{peer("tor", "192.0.2.1")}})
			engine.PathDown("tor")
			engine.PathDown("nobody")
			engine.Status()
		}
		use()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- engine.Run(ctx) }()
		same(t, "told", []string{"0s call", "0s open AS64500", "0s keepalive", "0s end of ipv4", "0s end of ipv6"}, r.told())
		<-engine.Changed()
		stop()
		same(t, "end", error(nil), <-ended)
		use()
		same(t, "state", Idle, engine.Status().Peers[0].State)
	})
}

// The same Config again, or another way of making it, changes nothing.
func TestSetTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, nil)
		defer l.end(ErrRestart)
		r := l.router("192.0.2.1")
		for range 3 {
			l.engine.Set(Config{Peers: []Peer{peer("tor", "192.0.2.1", hosts(100, &Attributes{})...)}})
			time.Sleep(time.Second)
		}
		same(t, "told", []string{
			"0s call", "0s open AS64500", "0s keepalive",
			"0s +100 via 192.0.2.11 path [64500]", "0s end of ipv4", "0s end of ipv6",
		}, r.told())
	})
}

func TestSecret(t *testing.T) {
	t.Parallel()
	s := Session{Password: "geheim"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(format, s); strings.Contains(text, "geheim") {
			t.Errorf("%s shows the password: %s", format, text)
		}
	}
}
