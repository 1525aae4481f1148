package members

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/hashicorp/memberlist"
)

// keyBytes selects AES-256.
const keyBytes = 32

// keyset is what SetKey asks for.
type keyset struct {
	// ring holds the derived keys; the first encrypts if plaintext.sent is false.
	ring      [][]byte
	plaintext plaintext
	// marks are those of all the keys, in the order they were given.
	marks []string
}

// plaintext is what memberlist cannot change while it runs: whether plaintext
// is sent, whether it is accepted, and whether there is nothing else.
type plaintext struct {
	sent, accepted, only bool
}

func newKeyset(primary []byte, others ...[]byte) keyset {
	k := keyset{plaintext: plaintext{sent: len(primary) == 0}}
	for _, file := range append([][]byte{primary}, others...) {
		if m := mark(file); !slices.Contains(k.marks, m) {
			k.marks = append(k.marks, m)
		}
		if len(file) == 0 {
			k.plaintext.accepted = true

			continue
		}
		key := deriveKey(file)
		if !slices.ContainsFunc(k.ring, func(have []byte) bool { return bytes.Equal(have, key) }) {
			k.ring = append(k.ring, key)
		}
	}

	k.plaintext.only = len(k.ring) == 0

	return k
}

func (k keyset) equal(o keyset) bool {
	return k.plaintext == o.plaintext && slices.EqualFunc(k.ring, o.ring, bytes.Equal) && slices.Equal(k.marks, o.marks)
}

// mark stands for a key file where everybody may read it: enough to tell keys
// apart, too little to find one.
func mark(file []byte) string {
	sum := sha256.Sum256(append([]byte("clarion key mark "), file...))

	return hex.EncodeToString(sum[:4])
}

// deriveKey makes a key of a key file as MetalLB does: the file is followed by
// the SHA-256 of nothing, and of that come the first 32 bytes. A file shorter
// than that is therefore padded with constants, not hashed; it must be random
// itself.
func deriveKey(file []byte) []byte {
	padding := sha256.Sum256(nil)

	return append(bytes.Clone(file), padding[:]...)[:keyBytes:keyBytes]
}

// install makes ring hold the keys, of which the first encrypts. What is
// written changes at once and nothing that is to be read becomes unreadable
// for longer than this function runs.
func install(ring *memberlist.Keyring, keys [][]byte) error {
	if len(keys) == 0 {
		return nil // plaintext.only: the memberlist was created with an empty ring
	}
	if err := ring.AddKey(keys[0]); err != nil {
		return fmt.Errorf("failed to add a key: %w", err)
	}
	if err := ring.UseKey(keys[0]); err != nil {
		return fmt.Errorf("failed to encrypt with a key: %w", err)
	}

	// Removal shifts the keys behind the removed one while memberlist may be
	// reading them; the last one has none behind it.
	for _, key := range slices.Backward(ring.GetKeys()[1:]) {
		if err := ring.RemoveKey(key); err != nil {
			return fmt.Errorf("failed to remove a key: %w", err)
		}
	}
	for _, key := range keys[1:] {
		if err := ring.AddKey(key); err != nil {
			return fmt.Errorf("failed to add a key: %w", err)
		}
	}

	return nil
}
