package main

import (
	"context"

	"github.com/clarion-lb/clarion/internal/link"
	"github.com/clarion-lb/clarion/speaker/announce"
)

// follow calls do after each change until ctx ends.
func follow(ctx context.Context, changed <-chan struct{}, do func()) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			do()
		}
	}
}

// translate says what the kernel said, in the words of the deciding package.
func translate(links []link.Link) []announce.Link {
	out := make([]announce.Link, len(links))
	for i, l := range links {
		out[i] = announce.Link{
			Name: l.Name, Index: l.Index, MAC: l.MAC,
			Up: l.Up, Carrier: l.Carrier, Broadcast: l.Broadcast, NoARP: l.NoARP,
			Master: l.Master, LinkLocal: l.LinkLocal, Prefixes: l.Addrs,
		}
	}
	return out
}
