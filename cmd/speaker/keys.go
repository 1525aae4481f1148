package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/clarion-lb/clarion/config"
	"github.com/clarion-lb/clarion/internal/kube"
	"github.com/clarion-lb/clarion/internal/members"
	"github.com/clarion-lb/clarion/internal/mounted"
)

// keyring changes the key of the speakers as its file changes.
type keyring struct {
	file     *mounted.File // nil: there is none, for good
	rotation *members.Rotation
	files    [][]byte // as last set
	log      *slog.Logger
}

// newKeyring reads the key in a directory, which need not exist.
func newKeyring(dir string, log *slog.Logger) (*keyring, error) {
	k := &keyring{log: log}
	if dir != "" {
		var err error
		if k.file, err = mounted.New(mounted.Options{Path: filepath.Join(dir, "secretkey"), Log: log}); err != nil {
			return nil, fmt.Errorf("--ml-secret-key-path: %w", err)
		}
	}
	k.files = [][]byte{k.content()}
	k.rotation = members.NewRotation(k.content())
	return k, nil
}

func (k *keyring) content() []byte {
	if k.file == nil {
		return nil
	}
	return k.file.Content()
}

// changed receives when the file has changed; never if there is none.
func (k *keyring) changed() <-chan struct{} {
	if k.file == nil {
		return nil
	}
	return k.file.Changed()
}

// run follows the file until ctx ends; the zero pointer is membership that is off.
func (k *keyring) run(ctx context.Context) error {
	if k == nil || k.file == nil {
		return nil
	}
	return k.file.Run(ctx)
}

// turn goes on from the key in use to that in the file, as far as the members
// allow, and returns when to do so again; nil for not before something changes.
func (k *keyring) turn(p *peers, api *kube.Speaker) <-chan time.Time {
	now := time.Now()
	if err := k.rotation.Want(k.content(), now); err != nil {
		api.Ailing("key", config.Problem{
			Kind: "Secret", Name: "memberlist", Field: "secretkey", Reason: fmt.Sprintf("the key before it stays in use, because %v", err),
		})
	} else {
		api.Ailing("key")
	}
	keys := k.rotation.Keys(now, p.list.Roster())
	if !slices.EqualFunc(keys.Files, k.files, bytes.Equal) {
		k.say(keys)
		k.files = keys.Files
		// Who says on its card that it accepts a key has to: the list comes last.
		if p.beats != nil {
			if err := p.beats.SetKeys(keys.Files); err != nil {
				k.log.Error("heartbeats keep their key", slog.Any("error", err))
			}
		}
		p.list.SetKey(keys.Files[0], keys.Files[1:]...)
	}
	if keys.Wait == 0 {
		return nil
	}
	return time.After(keys.Wait)
}

// say logs what the keys are about to become.
func (k *keyring) say(keys members.Keys) {
	switch {
	case bytes.Equal(keys.Files[0], k.files[0]) && len(keys.Files) < len(k.files):
		k.log.Info("old key of the speakers is not accepted any more")
	case bytes.Equal(keys.Files[0], k.files[0]):
		k.log.Info("new key of the speakers is accepted, and used once all of them accept it")
	case len(keys.Behind) > 0:
		k.log.Warn("new key of the speakers is used, though some do not accept it", slog.Any("nodes", keys.Behind))
	default:
		k.log.Info("new key of the speakers is used")
	}
}
