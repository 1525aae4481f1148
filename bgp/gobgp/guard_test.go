package gobgp

import (
	"errors"
	"testing"
)

func TestGuarded(t *testing.T) {
	t.Parallel()
	var bytes []byte
	if err := guarded(func() error { _ = bytes[3]; return nil }); err == nil {
		t.Error("a panic got lost")
	}
	failure := errors.New("failure")
	if err := guarded(func() error { return failure }); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	if err := guarded(func() error { return nil }); err != nil {
		t.Errorf("got %v", err)
	}
}
